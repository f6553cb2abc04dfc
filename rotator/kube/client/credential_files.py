"""The files that a connection reads once, when it is opened: who changes one wants a new connection."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from rotator.config import KubernetesSettings
from rotator.kube.client.credentials import SERVICE_ACCOUNT

_NAMED = (
    ("clusters", "cluster", "certificate-authority"),
    ("users", "user", "client-certificate"),
    ("users", "user", "client-key"),
)
"""Tokens in files, and what plugins give, are read anew while a connection lives (see credentials)."""


def read_once(settings: KubernetesSettings, environ: Mapping[str, str]) -> frozenset[Path]:
    """Return the files behind a connection, there or not: kubeconfigs and the certificates that they name,
    of all contexts; in a pod the cluster's CA. Never raises: what cannot be read names nothing.
    """
    found: set[Path] = set()
    if environ.get("KUBERNETES_SERVICE_HOST"):
        found.add(SERVICE_ACCOUNT / "ca.crt")
    written = str(settings.kubeconfig or environ.get("KUBECONFIG") or "~/.kube/config")
    for part in filter(None, written.split(os.pathsep)):
        kubeconfig = Path(os.path.expanduser(part))  # noqa: PTH111 - as the client library does it
        found |= {kubeconfig, *_certificates(kubeconfig)}
    return frozenset(found)


def _certificates(kubeconfig: Path) -> Iterator[Path]:
    try:
        said = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return
    for table, entry, key in _NAMED:
        for item in _list(said, table):
            name = _get(_get(item, entry), key)
            if isinstance(name, str) and name:
                yield kubeconfig.parent / name


def _list(said: object, key: str) -> list[Any]:
    found = _get(said, key)
    return found if isinstance(found, list) else []


def _get(said: object, key: str) -> Any:
    return said.get(key) if isinstance(said, dict) else None

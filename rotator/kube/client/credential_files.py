"""The files that a connection reads once, when it is opened. Their changes need a new connection."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from rotator.config import KubernetesSettings
from rotator.kube.client.credentials import SERVICE_ACCOUNT

_CERTIFICATES = (
    ("clusters", "cluster", "certificate-authority"),
    ("users", "user", "client-certificate"),
    ("users", "user", "client-key"),
)
"""Where a kubeconfig names certificates: list, entry, key. Token files and exec plugins are missing here: the
connection reads them again itself (see `credentials`).
"""


def files_read_once(settings: KubernetesSettings, environ: Mapping[str, str]) -> frozenset[Path]:
    """Return the files behind a connection, whether they exist or not: kubeconfigs and the certificates that
    they name, of all contexts; in a pod the cluster's CA. Never raises: an unreadable file names no other.
    """
    files: set[Path] = set()
    if environ.get("KUBERNETES_SERVICE_HOST"):
        files.add(SERVICE_ACCOUNT / "ca.crt")
    paths = str(settings.kubeconfig or environ.get("KUBECONFIG") or "~/.kube/config")
    for part in filter(None, paths.split(os.pathsep)):
        kubeconfig = Path(os.path.expanduser(part))  # noqa: PTH111 - as the client library does it
        files |= {kubeconfig, *_certificates(kubeconfig)}
    return frozenset(files)


def _certificates(kubeconfig: Path) -> Iterator[Path]:
    try:
        config = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return
    for table, entry, key in _CERTIFICATES:
        for item in _list(config, table):
            name = _get(_get(item, entry), key)
            if isinstance(name, str) and name:
                yield kubeconfig.parent / name


def _list(config: object, key: str) -> list[Any]:
    items = _get(config, key)
    return items if isinstance(items, list) else []


def _get(config: object, key: str) -> Any:
    return config.get(key) if isinstance(config, dict) else None

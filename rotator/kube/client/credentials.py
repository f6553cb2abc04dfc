"""Who this process is for the API server, kept fresh: files are read again, plugins asked again.

The client library reads a kubeconfig's `tokenFile` once, and does not strip what it reads.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from kubernetes.aio.client import Configuration
from kubernetes.aio.config import ConfigException
from kubernetes.aio.config.incluster_config import InClusterConfigLoader
from kubernetes.aio.config.kube_config import KubeConfigLoader, KubeConfigMerger

from rotator.config import KubernetesSettings
from rotator.errors import Refused, Unavailable
from rotator.kube.client import exec_plugin

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where kubelet puts a pod's token and the cluster's CA."""
IN_CLUSTER = "in-cluster"
"""The context that no kubeconfig has to have: the cluster that this process runs in."""
_AGAIN = 10.0
"""Seconds between two runs of a plugin whose token is not accepted."""


class NoSuchContext(Refused):
    """The configuration names a context that cannot be meant."""


async def configuration(
    settings: KubernetesSettings, environ: Mapping[str, str], service_account: Path
) -> Configuration:
    """Return how to reach the cluster, and as whom: of settings.context; without one, of the pod
    (unless a kubeconfig is named), else of the kubeconfig's current context.

    Raises:
        NoSuchContext: settings.context is not in the kubeconfig.
        Refused: there is no usable kubeconfig, or its plugin gave nothing.
        Unavailable: a file that should be there is not (yet).
    """
    in_pod = _in_pod(environ)
    if settings.context == IN_CLUSTER and not in_pod:
        raise NoSuchContext(
            f'context "{IN_CLUSTER}" is the cluster that this process runs in, and this is no pod',
            "Name a context of the kubeconfig.",
        )
    if settings.context == IN_CLUSTER or (
        in_pod and settings.context is None and settings.kubeconfig is None
    ):
        return _in_cluster(environ, service_account)
    return await _from_kubeconfig(_kubeconfig(settings, environ), settings.context)


def context_of(settings: KubernetesSettings, environ: Mapping[str, str]) -> str | None:
    """Return the name of the context that `configuration` uses; None if it has none that is known."""
    if settings.context is not None:
        return settings.context
    if settings.kubeconfig is None and _in_pod(environ):
        return IN_CLUSTER
    try:
        return _current(_kubeconfig(settings, environ))
    except (Refused, OSError, yaml.YAMLError, ValueError, AttributeError):
        return None


def _in_pod(environ: Mapping[str, str]) -> bool:
    return bool(environ.get("KUBERNETES_SERVICE_HOST"))


def _in_cluster(environ: Mapping[str, str], service_account: Path) -> Configuration:
    cfg = Configuration()
    token = service_account / "token"
    ca = str(service_account / "ca.crt")
    loader = InClusterConfigLoader(str(token), ca, False, environ)  # type: ignore[no-untyped-call]  # the library has no types
    try:
        loader.load_and_set(cfg)  # type: ignore[no-untyped-call]  # the library has no types
    except (ConfigException, OSError) as problem:
        raise Unavailable(f"the pod's service account cannot be used: {problem}") from problem
    _follow(cfg, token)
    return cfg


def _kubeconfig(settings: KubernetesSettings, environ: Mapping[str, str]) -> str:
    written = str(settings.kubeconfig) if settings.kubeconfig else environ.get("KUBECONFIG", "")
    path = os.path.expanduser(written or "~/.kube/config")  # noqa: PTH111 - may be several paths with ':'
    if not any(Path(part).exists() for part in path.split(os.pathsep)):
        raise Refused(
            f"there is no kubeconfig at {path}, and this is no pod",
            "Name one under [kubernetes] or in KUBECONFIG.",
        )
    return path


async def _from_kubeconfig(path: str, context: str | None) -> Configuration:
    cfg = Configuration()
    try:
        named = context or _current(path)
        config = KubeConfigMerger(path).config  # type: ignore[no-untyped-call]  # the library has no types
        loader = exec_plugin.Loader(config, named, config_base_path=None)  # type: ignore[no-untyped-call]  # the library has no types
        await loader.load_and_set(cfg)  # type: ignore[no-untyped-call]  # the library has no types
    except ConfigException as problem:
        if context is not None and context not in (known := _contexts(path)):
            has = f"it has {', '.join(known)}" if known else "it has none"
            raise NoSuchContext(
                f'the kubeconfig {path} has no context "{context}" ({has})',
                "Correct the name, or add the context.",
            ) from None
        raise Refused(f"the kubeconfig cannot be used: {problem}", f"Mend {path}, or name another.") from None
    except (OSError, yaml.YAMLError, ValueError, TypeError, KeyError, AttributeError) as problem:
        kind = type(problem).__name__
        raise Refused(f"the kubeconfig cannot be read ({kind})", f"Mend {path}, or name another.") from None
    user: Mapping[str, Any] = loader._user.value if loader._user else {}  # noqa: SLF001 - no other way to it
    if user.get("exec"):
        _ask_again(cfg, loader)
    elif user.get("tokenFile"):
        found: Any = loader
        file = Path(found._get_base_path(found._user.path)) / user["tokenFile"]  # noqa: SLF001
        if file.exists() or not user.get("token"):  # of the two the file counts, as for kubectl
            _follow(cfg, file)
    return cfg


def rejected(cfg: Configuration) -> None:
    """Note that the server does not accept what cfg says (401): who can, asks for something else."""
    if getattr(cfg, "refresh_api_key_hook", None):  # the library takes it for None
        cfg.api_key["BearerToken"] = ""


def _files(path: str) -> list[Path]:
    """Return the files of a path with ':' that exist."""
    files = [Path(part).expanduser() for part in path.split(os.pathsep) if part]
    return [file for file in files if file.exists()]


def _current(path: str) -> str | None:
    """Return the current context: of several files the first that names one counts, as for kubectl. (The
    client library takes the last.)
    """
    named = [(yaml.safe_load(file.read_text()) or {}).get("current-context") for file in _files(path)]
    return next((str(name) for name in named if name), None)


def _contexts(path: str) -> list[str]:
    """Return the names of all contexts in kubeconfigs that the library could read."""
    found = [yaml.safe_load(file.read_text()) for file in _files(path)]
    return sorted({str(context["name"]) for config in found for context in config.get("contexts") or []})


def _follow(cfg: Configuration, token: Path) -> None:
    """Have the token read anew for each request: a small file, mostly in memory, that others replace."""

    def refresh(cfg: Configuration) -> None:
        try:
            text = token.read_text().strip()
        except (OSError, ValueError) as problem:
            raise Unavailable(f"the Kubernetes token file {token} cannot be read") from problem
        if not text or any(c.isspace() for c in text):
            raise Unavailable(f"the Kubernetes token file {token} does not hold a token")
        cfg.api_key["BearerToken"] = f"Bearer {text}"

    refresh(cfg)
    cfg.refresh_api_key_hook = refresh  # type: ignore[assignment]  # the library takes it for None


def _ask_again(cfg: Configuration, loader: KubeConfigLoader) -> None:
    """Have the kubeconfig's plugin run anew when what it gave runs out, and when
    the server does not accept it any more (see `rejected`), as client-go does: not every one names an expiry.
    """
    if "BearerToken" not in cfg.api_key and not cfg.cert_file:
        raise Refused(
            "the kubeconfig's exec plugin gave no credential",
            "Run its command by hand to see why, and log in if it says so.",
        )

    asking: asyncio.Task[None] | None = None
    not_before = 0.0

    async def refresh(cfg: Configuration) -> None:
        nonlocal asking, not_before
        refused, cfg.api_key["BearerToken"] = not cfg.api_key["BearerToken"], loader.token
        if asking is None or asking.done():
            if refused and time.monotonic() >= not_before:
                not_before = time.monotonic() + _AGAIN
            elif not exec_plugin.expired(loader):
                return
            asking = asyncio.ensure_future(exec_plugin.ask(loader))
        # Many calls find out at the same time, and each has its own patience: none of them starts a
        # second plugin beside one that hangs.
        await asyncio.shield(asking)
        cfg.api_key["BearerToken"] = loader.token

    if "BearerToken" in cfg.api_key:
        cfg.refresh_api_key_hook = refresh  # type: ignore[assignment]  # the library takes it for None

"""The credentials of a connection, kept fresh: token files are read again, exec plugins run again.

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
"""Directory in which kubelet puts a pod's token and the cluster's CA."""
IN_CLUSTER = "in-cluster"
"""Name of the context that stands for the cluster this process runs in. No kubeconfig needs to have it."""
_PLUGIN_RETRY_INTERVAL = 10.0
"""Seconds at least between two runs of a plugin whose token the server rejects."""


class NoSuchContext(Refused):
    """The configuration names a context that does not exist."""


async def configuration(
    settings: KubernetesSettings, environ: Mapping[str, str], service_account: Path
) -> Configuration:
    """Return address and credentials of a cluster: of settings.context; without one, of the pod's own cluster
    (unless settings name a kubeconfig), else of the kubeconfig's current context.

    Raises:
        NoSuchContext: settings.context is not in the kubeconfig.
        Refused: there is no usable kubeconfig, or its exec plugin gave no credential.
        Unavailable: a credential file does not exist (yet).
    """
    in_pod = _in_pod(environ)
    if settings.context == IN_CLUSTER and not in_pod:
        raise NoSuchContext(
            f'context "{IN_CLUSTER}" is the cluster that this process runs in, but it does not run in a pod',
            "Name a context of the kubeconfig.",
        )
    if settings.context == IN_CLUSTER or (
        in_pod and settings.context is None and settings.kubeconfig is None
    ):
        return _in_cluster(environ, service_account)
    return await _from_kubeconfig(_kubeconfig(settings, environ), settings.context)


def context_of(settings: KubernetesSettings, environ: Mapping[str, str]) -> str | None:
    """Return the name of the context that `configuration` uses; None if it has no name."""
    if settings.context is not None:
        return settings.context
    if settings.kubeconfig is None and _in_pod(environ):
        return IN_CLUSTER
    try:
        return _current_context(_kubeconfig(settings, environ))
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
    except (ConfigException, OSError) as error:
        raise Unavailable(f"the pod's service account cannot be used: {error}") from error
    _reread_for_each_call(cfg, token)
    return cfg


def _kubeconfig(settings: KubernetesSettings, environ: Mapping[str, str]) -> str:
    named = str(settings.kubeconfig) if settings.kubeconfig else environ.get("KUBECONFIG", "")
    path = os.path.expanduser(named or "~/.kube/config")  # noqa: PTH111 - may be several paths with ':'
    if not any(Path(part).exists() for part in path.split(os.pathsep)):
        raise Refused(
            f"there is no kubeconfig at {path}, and this process does not run in a pod",
            "Name a kubeconfig under [kubernetes] or in KUBECONFIG.",
        )
    return path


async def _from_kubeconfig(path: str, context: str | None) -> Configuration:
    cfg = Configuration()
    try:
        named = context or _current_context(path)
        config = KubeConfigMerger(path).config  # type: ignore[no-untyped-call]  # the library has no types
        loader = exec_plugin.Loader(config, named, config_base_path=None)  # type: ignore[no-untyped-call]  # the library has no types
        await loader.load_and_set(cfg)  # type: ignore[no-untyped-call]  # the library has no types
    except ConfigException as error:
        if context is not None and context not in (known := _contexts(path)):
            has = f"it has {', '.join(known)}" if known else "it has none"
            raise NoSuchContext(
                f'the kubeconfig {path} has no context "{context}" ({has})',
                "Correct the name, or add the context.",
            ) from None
        remedy = f"Correct {path}, or name another file."
        raise Refused(f"the kubeconfig cannot be used: {error}", remedy) from None
    except (OSError, yaml.YAMLError, ValueError, TypeError, KeyError, AttributeError) as error:
        kind, remedy = type(error).__name__, f"Correct {path}, or name another file."
        raise Refused(f"the kubeconfig cannot be read ({kind})", remedy) from None
    user: Mapping[str, Any] = loader._user.value if loader._user else {}  # noqa: SLF001 - no other way to it
    if user.get("exec"):
        _rerun_plugin(cfg, loader)
    elif user.get("tokenFile"):
        untyped: Any = loader
        file = Path(untyped._get_base_path(untyped._user.path)) / user["tokenFile"]  # noqa: SLF001
        if file.exists() or not user.get("token"):  # of the two the file counts, as for kubectl
            _reread_for_each_call(cfg, file)
    return cfg


def forget_rejected_token(cfg: Configuration) -> None:
    """Drop the token, which the server rejected (401), if something can get another one."""
    if getattr(cfg, "refresh_api_key_hook", None):  # the library takes it for None
        cfg.api_key["BearerToken"] = ""


def _files(path: str) -> list[Path]:
    """Return the files of a path with ':' that exist."""
    files = [Path(part).expanduser() for part in path.split(os.pathsep) if part]
    return [file for file in files if file.exists()]


def _current_context(path: str) -> str | None:
    """Return the current context. Of several files, the first that names one counts, as for kubectl. (The
    client library takes the last.)
    """
    named = [(yaml.safe_load(file.read_text()) or {}).get("current-context") for file in _files(path)]
    return next((str(name) for name in named if name), None)


def _contexts(path: str) -> list[str]:
    """Return the names of all contexts in kubeconfigs that the library could read."""
    configs = [yaml.safe_load(file.read_text()) for file in _files(path)]
    return sorted({str(context["name"]) for config in configs for context in config.get("contexts") or []})


def _reread_for_each_call(cfg: Configuration, token: Path) -> None:
    """Read the token from its file for each call: kubelet, or another writer, replaces the file."""

    def refresh(cfg: Configuration) -> None:
        try:
            text = token.read_text().strip()
        except (OSError, ValueError) as error:
            raise Unavailable(f"the Kubernetes token file {token} cannot be read") from error
        if not text or any(c.isspace() for c in text):
            raise Unavailable(f"the Kubernetes token file {token} does not hold a token")
        cfg.api_key["BearerToken"] = f"Bearer {text}"

    refresh(cfg)
    cfg.refresh_api_key_hook = refresh  # type: ignore[assignment]  # the library takes it for None


def _rerun_plugin(cfg: Configuration, loader: KubeConfigLoader) -> None:
    """Run the kubeconfig's exec plugin again when its credential expires, and when the server rejects it (see
    `forget_rejected_token`), as client-go does: a credential may name no expiry.
    """
    if "BearerToken" not in cfg.api_key and not cfg.cert_file:
        raise Refused(
            "the kubeconfig's exec plugin gave no credential",
            "Run its command by hand to see why, and log in if it asks you to.",
        )

    running: asyncio.Task[None] | None = None
    not_before = 0.0

    async def refresh(cfg: Configuration) -> None:
        nonlocal running, not_before
        rejected, cfg.api_key["BearerToken"] = not cfg.api_key["BearerToken"], loader.token
        if running is None or running.done():
            if rejected and time.monotonic() >= not_before:
                not_before = time.monotonic() + _PLUGIN_RETRY_INTERVAL
            elif not exec_plugin.expired(loader):
                return
            running = asyncio.ensure_future(exec_plugin.refresh(loader))
        # Many calls wait for one run, each with a time-out of its own. A call that times out must not start a
        # second plugin beside one that hangs.
        await asyncio.shield(running)
        cfg.api_key["BearerToken"] = loader.token

    if "BearerToken" in cfg.api_key:
        cfg.refresh_api_key_hook = refresh  # type: ignore[assignment]  # the library takes it for None

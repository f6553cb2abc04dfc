"""Runs an exec plugin in bounded time. (The client library waits for ever for a plugin that hangs, and
leaves it running when the caller is cancelled.)
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE
from contextlib import suppress
from typing import Any

from kubernetes.aio.config.config_exception import ConfigException
from kubernetes.aio.config.dateutil import parse_rfc3339
from kubernetes.aio.config.exec_provider import ExecProvider
from kubernetes.aio.config.kube_config import FileOrData, KubeConfigLoader, _is_expired

PLUGIN_TIMEOUT = 60.0
"""Seconds that a plugin runs at most: it may have to call a server. Then it is killed."""
_FAILURES = (ConfigException, OSError, ValueError, KeyError, TypeError)
_log = logging.getLogger("rotator.kube")


class Loader(KubeConfigLoader):
    """The library's loader, except that it kills a plugin that takes too long or that is no longer needed."""

    async def load_from_exec_plugin(self) -> bool:
        """Take over the plugin's credential; False if it gives none. Source: as `refresh`."""
        try:
            status = await _status(self)
            if "token" in status:
                _take(self, status)
            else:
                self.cert_file, self.key_file = (
                    FileOrData(status, None, data_key_name=name, base64_file_content=False).as_file()  # type: ignore[no-untyped-call]  # the library has no types
                    for name in ("clientCertificateData", "clientKeyData")
                )
        except _FAILURES as error:
            _log_failure(error)
            return False
        return True


def expired(loader: KubeConfigLoader) -> bool:
    """Whether the plugin's credential is about to expire. One without an expiry never does."""
    at = getattr(loader, "exec_plugin_expiry", None)
    return at is not None and bool(_is_expired(at))  # type: ignore[no-untyped-call]  # the library has no types


async def refresh(loader: KubeConfigLoader) -> None:
    """Put the plugin's token and its expiry, if it has one, into loader. Never raises: if the plugin fails,
    loader keeps its token.

    Source: client-go credential plugins, ExecCredential.
    """
    try:
        _take(loader, await _status(loader))
    except _FAILURES as error:
        _log_failure(error)


def _take(loader: KubeConfigLoader, status: dict[str, Any]) -> None:
    loader.token = f"Bearer {status['token']}"
    vars(loader).pop("exec_plugin_expiry", None)
    if "expirationTimestamp" in status:
        loader.exec_plugin_expiry = parse_rfc3339(status["expirationTimestamp"])  # type: ignore[no-untyped-call]  # the library has no types


def _log_failure(error: Exception) -> None:
    if isinstance(error, TimeoutError):
        _log.warning("the kubeconfig's exec plugin did not answer within %g s", PLUGIN_TIMEOUT)
    else:  # its text may hold the credential
        kind = type(error).__name__
        _log.warning("the kubeconfig's exec plugin gave no credential (%s): run it by hand to see why", kind)


async def _status(loader: KubeConfigLoader) -> dict[str, Any]:
    user: Any = loader._user  # noqa: SLF001 - no other way to it
    plugin = ExecProvider(user["exec"])  # type: ignore[no-untyped-call]  # the library has no types
    return await _run(plugin.args, plugin.env, plugin.api_version)


async def _run(args: list[str], env: dict[str, str], version: str) -> dict[str, Any]:
    info = {"apiVersion": version, "kind": "ExecCredential", "spec": {"interactive": False}}
    env = {**env, "KUBERNETES_EXEC_INFO": json.dumps(info)}
    process = await asyncio.create_subprocess_exec(
        *args, env=env, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, start_new_session=True
    )
    try:
        async with asyncio.timeout(PLUGIN_TIMEOUT):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # and all processes that it started
            process._transport.close()  # type: ignore[attr-defined]  # noqa: SLF001 - else wait() waits for its pipes
            await process.wait()
    if process.returncode:
        raise ChildProcessError(process.returncode, "the plugin failed")
    status: dict[str, Any] = json.loads(output)["status"]
    return status

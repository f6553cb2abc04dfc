"""Asks an exec plugin, in bounded time: the client library waits for ever for one that hangs, and lets it
run on when nobody waits any more.
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

LONGEST = 60.0
"""Seconds for a plugin to answer: it may have to ask somebody, too. Then it is killed."""
_FAILURES = (ConfigException, OSError, ValueError, KeyError, TypeError)
_log = logging.getLogger("rotator.kube")


class Loader(KubeConfigLoader):
    """The library's, but a plugin is ended when it takes too long, or when nobody waits for it."""

    async def load_from_exec_plugin(self) -> bool:
        """Take over what the plugin gives; False if it gives nothing. Source: as `ask`."""
        try:
            status = await _status(self)
            if "token" in status:
                _take(self, status)
            else:
                self.cert_file, self.key_file = (
                    FileOrData(status, None, data_key_name=name, base64_file_content=False).as_file()  # type: ignore[no-untyped-call]  # the library has no types
                    for name in ("clientCertificateData", "clientKeyData")
                )
        except _FAILURES as problem:
            _tell(problem)
            return False
        return True


def expired(loader: KubeConfigLoader) -> bool:
    """Whether what the plugin gave is about to run out. One that names no expiry never does."""
    at = getattr(loader, "exec_plugin_expiry", None)
    return at is not None and bool(_is_expired(at))  # type: ignore[no-untyped-call]  # the library has no types


async def ask(loader: KubeConfigLoader) -> None:
    """Have the plugin's token and its expiry, if it names one, in loader. Never raises: what was there stays.

    Source: client-go credential plugins, ExecCredential.
    """
    try:
        _take(loader, await _status(loader))
    except _FAILURES as problem:
        _tell(problem)


def _take(loader: KubeConfigLoader, status: dict[str, Any]) -> None:
    loader.token = f"Bearer {status['token']}"
    vars(loader).pop("exec_plugin_expiry", None)
    if "expirationTimestamp" in status:
        loader.exec_plugin_expiry = parse_rfc3339(status["expirationTimestamp"])  # type: ignore[no-untyped-call]  # the library has no types


def _tell(problem: Exception) -> None:
    if isinstance(problem, TimeoutError):
        _log.warning("the kubeconfig's exec plugin did not answer within %g s", LONGEST)
    else:  # its text may hold the credential
        why = type(problem).__name__
        _log.warning("the kubeconfig's exec plugin gave no credential (%s): run it by hand to see why", why)


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
        async with asyncio.timeout(LONGEST):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # with all that it started
            process._transport.close()  # type: ignore[attr-defined]  # noqa: SLF001 - wait() waits for its pipes, too
            await process.wait()
    if process.returncode:
        raise ChildProcessError(process.returncode, "it failed")
    status: dict[str, Any] = json.loads(said)["status"]
    return status

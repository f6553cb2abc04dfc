"""Asks an exec plugin anew, in bounded time: the client library waits for ever for one that hangs."""

from __future__ import annotations

import asyncio
import json
import logging
from asyncio.subprocess import DEVNULL, PIPE
from typing import Any

from kubernetes.aio.config.dateutil import parse_rfc3339
from kubernetes.aio.config.exec_provider import ExecProvider
from kubernetes.aio.config.kube_config import KubeConfigLoader, _is_expired

LONGEST = 60.0
"""Seconds for a plugin to answer: it may have to ask somebody, too. Then it is killed."""
_log = logging.getLogger("rotator.kube")


def expired(loader: KubeConfigLoader) -> bool:
    """Whether what the plugin gave is about to run out. One that names no expiry never does."""
    at = getattr(loader, "exec_plugin_expiry", None)
    return at is not None and bool(_is_expired(at))  # type: ignore[no-untyped-call]  # the library has no types


async def ask(loader: KubeConfigLoader) -> None:
    """Have the plugin's token and its expiry, if it names one, in loader. Never raises: what was there stays.

    Source: client-go credential plugins, ExecCredential.
    """
    user: Any = loader._user  # noqa: SLF001 - no other way to it
    plugin = ExecProvider(user["exec"])  # type: ignore[no-untyped-call]  # the library has no types
    try:
        status = await _run(plugin.args, plugin.env, plugin.api_version)
        loader.token = f"Bearer {status['token']}"
        vars(loader).pop("exec_plugin_expiry", None)
        if "expirationTimestamp" in status:
            loader.exec_plugin_expiry = parse_rfc3339(status["expirationTimestamp"])  # type: ignore[no-untyped-call]  # the library has no types
    except TimeoutError:
        _log.warning("the kubeconfig's exec plugin %s did not answer within %g s", plugin.args[0], LONGEST)
    except (OSError, ValueError, KeyError, TypeError) as problem:  # its text may hold the credential
        _log.warning(
            "the kubeconfig's exec plugin %s gave no token (%s): run it by hand to see why",
            plugin.args[0],
            type(problem).__name__,
        )


async def _run(args: list[str], env: dict[str, str], version: str) -> dict[str, Any]:
    info = {"apiVersion": version, "kind": "ExecCredential", "spec": {"interactive": False}}
    env = {**env, "KUBERNETES_EXEC_INFO": json.dumps(info)}
    process = await asyncio.create_subprocess_exec(*args, env=env, stdin=DEVNULL, stdout=PIPE, stderr=PIPE)
    try:
        async with asyncio.timeout(LONGEST):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise ChildProcessError(process.returncode, "it failed")
    status: dict[str, Any] = json.loads(said)["status"]
    return status

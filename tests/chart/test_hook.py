"""`helm test`: what its pod runs tells a service that is ready from one that is not."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from sandbox.demo.process import Daemon
from tests.chart.helm import Helm, HelmError
from tests.process.conftest import env
from tests.process.process_env import WAIT_TIMEOUT, ProcessEnv, port

pytestmark = [pytest.mark.chart, pytest.mark.process]
__all__ = ["env"]


def containers(helm: Helm, values: dict[str, Any]) -> dict[str, dict[str, Any]]:
    (pod,) = [m for m in helm.render(values) if m["kind"] == "Pod"]
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    return {c["name"]: c for c in pod["spec"]["containers"]}


def ready(script: str, at: int) -> subprocess.CompletedProcess[str]:
    script = script.replace("tokens-apim-token-rotator-internal:9090", f"127.0.0.1:{at}")
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)


async def test_the_hook_succeeds_once_the_service_is_ready_and_fails_before(
    helm: Helm, least: dict[str, Any], env: ProcessEnv
) -> None:
    (script,) = containers(helm, least)["ready"]["args"]
    await env.deploy("oslo")
    async with env.daemon() as daemon:
        done = ready(script, port(daemon, "internal"))
        assert done.returncode == 0 and done.stdout.startswith("200 "), done.stderr
    assert ready(script, port(daemon, "internal")).returncode == 1
    env.sandbox.faults.add(server="arm", action="status", status=403, times=None)
    async with Daemon(str(env.config), env.environment()) as daemon:
        await daemon.line(lambda x: x["event"] == "started", WAIT_TIMEOUT)
        done = ready(script, port(daemon, "internal"))
        assert done.returncode == 1 and "503" in done.stderr


def test_the_hook_looks_at_every_gateway_with_the_services_account(helm: Helm, least: dict[str, Any]) -> None:
    status = containers(helm, least)["status"]
    assert status["args"] == ["status"]
    assert {"name": "ROTATOR_CONFIG", "value": "/etc/rotator/config.toml"} in status["env"]


def test_the_notes_end_with_the_next_command(helm: Helm, least: dict[str, Any]) -> None:
    try:
        shown = helm.run("install", "tokens", "--dry-run=client", values=least)
    except HelmError as error:
        if "cluster unreachable" not in str(error):
            raise
        pytest.skip("Helm 3 shows the notes only with a cluster")
    assert shown.rstrip().endswith(
        "kubectl -n rotator exec deploy/tokens-apim-token-rotator -- rotator status"
    )
    assert "system:serviceaccount:rotator:tokens-apim-token-rotator" in shown

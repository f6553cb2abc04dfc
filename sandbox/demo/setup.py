"""Sets up the demo: three gateways in the three token layouts, and a configuration for the daemon."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sandbox import Sandbox
from sandbox.files import write_configuration
from sandbox.fleet import Deployed, Layout, deploy

REPLICAS = 2
"""Pods of each gateway."""


@dataclass(frozen=True, slots=True)
class DemoGateway:
    """A gateway of the demo. `days`: how long its token is still valid when the demo starts."""

    name: str
    layout: Layout
    namespace: str
    days: float
    trigger: str


BY_SCHEDULE = DemoGateway("bergen", "portal", "gateways-west", 3, "the schedule: its token expires soon")
BY_EVENT = DemoGateway("oslo", "how-to", "gateways-east", 6.9, "a NearExpiry event from Event Grid")
BY_COMMAND = DemoGateway("tromso", "helm", "gateways-north", 21, "rotator rotate-now")
GATEWAYS = (BY_SCHEDULE, BY_EVENT, BY_COMMAND)


async def set_up(sandbox: Sandbox, directory: Path) -> tuple[Path, dict[str, Deployed]]:
    """Deploy the gateways and write the daemon's configuration. Return its path and what was deployed."""
    deployed = {
        gateway.name: await deploy(
            sandbox,
            gateway.layout,
            gateway.name,
            namespace=gateway.namespace,
            expires_at=datetime.now(UTC) + timedelta(days=gateway.days),
            replicas=REPLICAS,
        )
        for gateway in GATEWAYS
    }
    config = write_configuration(
        directory / "config.toml",
        sandbox,
        [[place] for place in deployed.values()],
        webhook_port=free_port(),
        internal_port=free_port(),
        log_format="json",
    )
    return config, deployed


def free_port() -> int:
    """Return a port that is free now. A daemon that is started again listens on the same port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def environment(sandbox: Sandbox) -> dict[str, str]:
    """Return the environment of a process that works in the sandbox: no proxy, no cloud credential."""
    passed_on = {"PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TERM"}
    inherited = {name: value for name, value in os.environ.items() if name in passed_on}
    return inherited | sandbox.environment() | {"PYTHONUNBUFFERED": "1", "AZURE_TOKEN_CREDENTIALS": "prod"}

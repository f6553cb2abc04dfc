"""The stage: a sandbox, three gateways in the three token layouts, a configuration, a daemon process."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sandbox import Sandbox
from sandbox.fleet import Deployed, Layout, deploy

REPLICAS = 2
RENEW_BEFORE_DAYS = 5


@dataclass(frozen=True, slots=True)
class Role:
    """A gateway of the demo. days: how long its token still lives when the curtain rises."""

    gateway: str
    layout: Layout
    namespace: str
    days: float
    trigger: str


CAST = (
    Role("bergen", "portal", "gateways-west", 3, "the schedule: it nears its expiry"),
    Role("oslo", "how-to", "gateways-east", 6.9, "a NearExpiry event from Event Grid"),
    Role("tromso", "helm", "gateways-north", 21, "rotator rotate-now"),
)


async def set_up(sandbox: Sandbox, directory: Path) -> tuple[Path, dict[str, Deployed]]:
    """Deploy the cast and write the daemon's configuration; return its path and what was deployed."""
    deployed = {
        role.gateway: await deploy(
            sandbox,
            role.layout,
            role.gateway,
            namespace=role.namespace,
            expires_at=datetime.now(UTC) + timedelta(days=role.days),
            replicas=REPLICAS,
        )
        for role in CAST
    }
    config = directory / "config.toml"
    config.write_text(configuration(sandbox, deployed))
    return config, deployed


def configuration(sandbox: Sandbox, deployed: dict[str, Deployed]) -> str:
    """Return a configuration as an operator would write it, for the sandbox's addresses."""
    head = f"""\
[azure]
endpoint = "{sandbox.arm_url}"
ca_file = "{sandbox.ca_file}"

[kubernetes]
kubeconfig = "{sandbox.kubeconfig}"
lease_duration = "10s"

[webhook]
listen = "127.0.0.1:{free_port()}"
allow_unauthenticated = true      # loopback only

[internal]
listen = "127.0.0.1:{free_port()}"

[log]
format = "json"

[defaults]
renew_before = "{RENEW_BEFORE_DAYS}d"
"""
    return head + "".join(gateway(d) for d in deployed.values())


def gateway(deployed: Deployed) -> str:
    return f"""
[[gateways]]
name = "{deployed.gateway.name}"
resource_id = "{deployed.gateway.resource_id}"

[[gateways.targets]]
namespace = "{deployed.namespace}"
secret = "{deployed.secret}"
"""


def free_port() -> int:
    """Return a port that is free now: a daemon that is started again shall listen where the first did."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


def environment(sandbox: Sandbox) -> dict[str, str]:
    """Return the environment of a process that works in the sandbox: no proxy, no cloud credential."""
    kept = {k: v for k, v in os.environ.items() if k in {"PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TERM"}}
    return kept | sandbox.environment() | {"PYTHONUNBUFFERED": "1", "AZURE_TOKEN_CREDENTIALS": "prod"}

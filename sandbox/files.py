"""The files that a rotator in another process needs: its configuration and its environment variables."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from sandbox.fleet import Deployed
from sandbox.world import Sandbox

ROTATOR = Path(sys.executable).with_name("rotator")
"""The command `rotator` of this environment, which does not import from the current folder."""


def write_environment(path: Path, sandbox: Sandbox) -> Path:
    """Write shell commands that export the variables; only the owner can read the file. Returns `path`."""
    path.touch(mode=0o600)
    path.write_text("".join(f"export {name}='{value}'\n" for name, value in sandbox.environment().items()))
    return path


def write_configuration(
    path: Path,
    sandbox: Sandbox,
    gateways: Iterable[Sequence[Deployed]],
    *,
    webhook_port: int,
    internal_port: int,
    log_format: str,
) -> Path:
    """Write a rotator's configuration, with all targets of each gateway. Returns `path`.

    Targets name the context of their cluster where the sandbox has several.
    """
    several = len(sandbox.clusters) > 1
    lease_namespace = 'lease_namespace = "default"\n' if several else ""
    head = f"""\
[azure]
endpoint = "{sandbox.arm_url}"
ca_file = "{sandbox.ca_file}"

[kubernetes]
kubeconfig = "{sandbox.kubeconfig}"
{lease_namespace}lease_duration = "10s"

[webhook]
listen = "127.0.0.1:{webhook_port}"
allow_unauthenticated = true      # loopback only

[internal]
listen = "127.0.0.1:{internal_port}"

[log]
format = "{log_format}"

[defaults]
renew_before = "5d"
"""
    path.write_text(head + "".join(_gateway_table(places, with_context=several) for places in gateways))
    return path


def _gateway_table(places: Sequence[Deployed], *, with_context: bool) -> str:
    gateway = places[0].gateway
    text = f'\n[[gateways]]\nname = "{gateway.name}"\nresource_id = "{gateway.resource_id}"\n'
    for place in places:
        context = f'context = "{place.cluster}"\n' if with_context else ""
        text += (
            f'\n[[gateways.targets]]\n{context}namespace = "{place.namespace}"\nsecret = "{place.secret}"\n'
        )
    return text

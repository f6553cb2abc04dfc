"""`python -m sandbox`: a sandbox to play with, of one cluster or several, until Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import re
import signal
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sandbox.fleet import Deployed, spread
from sandbox.names import HOME
from sandbox.world import Sandbox

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run until SIGINT or SIGTERM. Ends with exit code 2 if the arguments make no sense."""
    asked = _read(arguments)
    with tempfile.TemporaryDirectory(prefix="rotator-sandbox-") as temporary:
        directory = (asked.directory or Path(temporary)).resolve()
        directory.mkdir(parents=True, exist_ok=True)
        asyncio.run(_run(asked, directory))


def _read(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox",
        description="Run a simulated Azure, Kubernetes clusters and gateway pods on loopback, until Ctrl-C. "
        "It writes certificates, a kubeconfig with a context for each cluster, a configuration of the "
        "rotator and a file of environment variables, and prints commands that use them. Each gateway runs "
        "in all clusters, with one token.",
    )
    parser.add_argument("--cluster", type=_name, action="append", default=[], metavar="NAME",
        help=f"a further cluster, beside the first, which is called {HOME}; may be repeated")  # fmt: skip
    parser.add_argument("--gateway", type=_name, action="append", default=[], metavar="NAME",
        help="a gateway to deploy, in the namespace apim-NAME; may be repeated (default: oslo)")  # fmt: skip
    parser.add_argument("--days", type=_days, default=20.0, metavar="DAYS",
        help="how long the gateways' tokens still live, up to 30 (default: 20; below 5 the rotator begins "
        "with a rotation)")  # fmt: skip
    parser.add_argument("--replicas", type=int, choices=range(1, 6), default=2, metavar="COUNT",
        help="pods of each gateway in each cluster, 1 to 5 (default: 2)")  # fmt: skip
    parser.add_argument("--directory", type=Path, metavar="FOLDER",
        help="where the files go; made if it is not there (default: a temporary folder)")  # fmt: skip
    asked = parser.parse_args(arguments)
    if HOME in asked.cluster:
        parser.error(f"argument --cluster: {HOME} is the name of the first cluster, which there is anyway")
    for kind in ("cluster", "gateway"):
        setattr(asked, kind, list(dict.fromkeys(getattr(asked, kind))))
    asked.gateway = asked.gateway or ["oslo"]
    return asked


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} has to be small letters, digits and hyphens, 42 at most")
    return text


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = 0.0
    if not 0 < days <= 30:
        raise argparse.ArgumentTypeError(f"{text!r} has to be a number above 0, up to 30")
    return days


async def _run(asked: argparse.Namespace, directory: Path) -> None:
    stop = asyncio.Event()
    for sign in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(sign, stop.set)
    async with Sandbox(directory, clusters=asked.cluster) as sandbox:
        expires_at = datetime.now(UTC) + timedelta(days=asked.days)
        places = [
            await spread(
                sandbox,
                "how-to",
                gateway,
                sandbox.sites,
                namespace=f"apim-{gateway}",
                expires_at=expires_at,
                replicas=asked.replicas,
            )
            for gateway in asked.gateway
        ]
        (directory / "config.toml").write_text(configuration(sandbox, places))
        env = directory / "env"
        env.touch(mode=0o600)
        env.write_text("".join(f"export {k}='{v}'\n" for k, v in sandbox.environment().items()))
        print(_commands(sandbox, directory, places), flush=True)  # noqa: T201 - a command's output
        await stop.wait()


def configuration(sandbox: Sandbox, places: Sequence[Sequence[Deployed]]) -> str:
    """Return a configuration of the rotator. places: of each gateway, in the order of its targets."""
    head = f"""\
[azure]
endpoint = "{sandbox.arm_url}"
ca_file = "{sandbox.ca_file}"

[kubernetes]
kubeconfig = "{sandbox.kubeconfig}"
lease_namespace = "default"
lease_duration = "10s"

[webhook]
listen = "127.0.0.1:8080"
allow_unauthenticated = true      # loopback only

[internal]
listen = "127.0.0.1:8081"

[defaults]
renew_before = "5d"
"""
    return head + "".join(_table(at) for at in places)


def _table(places: Sequence[Deployed]) -> str:
    gateway = places[0].gateway
    head = f'\n[[gateways]]\nname = "{gateway.name}"\nresource_id = "{gateway.resource_id}"\n'
    return head + "".join(
        f'\n[[gateways.targets]]\ncontext = "{at.cluster}"\n'
        f'namespace = "{at.namespace}"\nsecret = "{at.secret}"\n'
        for at in places
    )


def _commands(sandbox: Sandbox, directory: Path, places: Sequence[Sequence[Deployed]]) -> str:
    rotator, config = f"{sys.executable} -m rotator", directory / "config.toml"
    first, last = places[0][0], places[0][-1]
    outage = f"""
  # the API of a cluster is away, and comes back
  curl -s {sandbox.control_url}/clusters/{last.cluster} -d '{{"up": false}}'
  curl -s {sandbox.control_url}/clusters/{last.cluster} -d '{{"up": true}}'
"""
    return f"""The sandbox runs, until Ctrl-C; its clusters: {", ".join(sandbox.sites)}. In another terminal:

  . {directory / "env"}
  {rotator} run -c {config}
  {rotator} status -c {config}
  {rotator} rotate-now {first.gateway.name} --force -c {config}
  kubectl --context {last.cluster} -n {last.namespace} get pods,secrets
  curl -s {sandbox.control_url}/pods      # which token each gateway pod runs
{outage}"""

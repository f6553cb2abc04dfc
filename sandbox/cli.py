"""`python -m sandbox`: runs a sandbox of one or several clusters until Ctrl-C, or the demo."""

from __future__ import annotations

import argparse
import asyncio
import re
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sandbox.demo import demo
from sandbox.files import ROTATOR, write_configuration, write_environment
from sandbox.fleet import Deployed, deploy_everywhere
from sandbox.names import HOME
from sandbox.signals import stop_requested
from sandbox.world import Sandbox

WEBHOOK_PORT, INTERNAL_PORT = 8080, 8081
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGINT or SIGTERM, or until the demo ends. Return the exit code; 2 for wrong arguments."""
    options = _parse(arguments)
    if options.command == "demo":
        return demo(keep=options.keep)
    with tempfile.TemporaryDirectory(prefix="rotator-sandbox-") as temporary:
        directory = (options.directory or Path(temporary)).resolve()
        directory.mkdir(parents=True, exist_ok=True)
        asyncio.run(_run(options, directory))
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox",
        description="Run a simulated Azure, Kubernetes clusters and gateway pods on loopback, until Ctrl-C. "
        "Writes certificates, a kubeconfig with a context for each cluster, a configuration of the "
        "rotator and a file of environment variables, and prints commands that use them. Each gateway runs "
        "in all clusters, with one token.",
    )
    parser.add_argument("--cluster", type=_name, action="append", default=[], metavar="NAME",
        help=f"a further cluster, beside the first, which is called {HOME}; may be repeated")  # fmt: skip
    parser.add_argument("--gateway", type=_name, action="append", default=[], metavar="NAME",
        help="a gateway to deploy, in the namespace apim-NAME; may be repeated (default: oslo)")  # fmt: skip
    parser.add_argument("--days", type=_days, default=20.0, metavar="DAYS",
        help="how long the gateways' tokens are still valid, up to 30 (default: 20; below 5 the rotator "
        "starts with a rotation)")  # fmt: skip
    parser.add_argument("--replicas", type=int, choices=range(1, 6), default=2, metavar="COUNT",
        help="pods of each gateway in each cluster, 1 to 5 (default: 2)")  # fmt: skip
    parser.add_argument("--directory", type=Path, metavar="FOLDER",
        help="where to write the files; created if absent (default: a temporary folder)")  # fmt: skip
    about = "rotate three gateways in a sandbox: no cloud, no cluster"
    demo_parser = parser.add_subparsers(dest="command").add_parser("demo", help=about, description=about)
    demo_parser.add_argument(
        "--keep", action="store_true", help="leave everything running and print commands to try"
    )
    options = parser.parse_args(arguments)
    if HOME in options.cluster:
        parser.error(f"argument --cluster: {HOME} is the name of the first cluster, which always exists")
    options.cluster = list(dict.fromkeys(options.cluster))
    options.gateway = list(dict.fromkeys(options.gateway)) or ["oslo"]
    return options


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} must consist of lower-case letters, digits and hyphens, at most 42"
        )
    return text


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = 0.0
    if not 0 < days <= 30:
        raise argparse.ArgumentTypeError(f"{text!r} must be a number above 0, up to 30")
    return days


async def _run(options: argparse.Namespace, directory: Path) -> None:
    stop = stop_requested()
    async with Sandbox(directory, clusters=options.cluster) as sandbox:
        expires_at = datetime.now(UTC) + timedelta(days=options.days)
        gateways = [
            await deploy_everywhere(
                sandbox,
                "how-to",
                gateway,
                sandbox.clusters,
                namespace=f"apim-{gateway}",
                expires_at=expires_at,
                replicas=options.replicas,
            )
            for gateway in options.gateway
        ]
        config = write_configuration(
            directory / "config.toml",
            sandbox,
            gateways,
            webhook_port=WEBHOOK_PORT,
            internal_port=INTERNAL_PORT,
            log_format="auto",
        )
        env = write_environment(directory / "env", sandbox)
        print(_commands(sandbox, config, env, gateways[0]), flush=True)
        await stop.wait()


def _commands(sandbox: Sandbox, config: Path, env: Path, places: Sequence[Deployed]) -> str:
    """Return commands to try with one gateway, of which `places` are all."""
    control = sandbox.control_url
    first, last = places[0], places[-1]
    clusters = ", ".join(sandbox.clusters)
    return f"""The sandbox runs until Ctrl-C; its clusters: {clusters}. In another terminal:

  . {env}
  {ROTATOR} run -c {config}
  {ROTATOR} status -c {config}
  {ROTATOR} rotate-now {first.gateway.name} --force -c {config}
  kubectl --context {last.cluster} -n {last.namespace} get pods,secrets
  curl -s {control}/pods      # which token each gateway pod runs

  # make the API of a cluster unreachable, then reachable again
  curl -s {control}/clusters/{last.cluster} -d '{{"up": false}}'
  curl -s {control}/clusters/{last.cluster} -d '{{"up": true}}'
"""

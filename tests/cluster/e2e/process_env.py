"""The real cluster, the sandbox's Azure and daemon processes, for tests that look from outside."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from sandbox import Sandbox
from sandbox.azure.events import near_expiry
from sandbox.demo.process import Daemon
from sandbox.fleet import Deployed
from sandbox.names import HOME
from tests import configuration
from tests.chart.helm import Helm
from tests.cluster.e2e.account import Account, install
from tests.cluster.e2e.fleet import Order, deploy
from tests.cluster.kubelet.fake import Kubelet
from tests.cluster.plane.reach import Reach
from tests.cluster.world import World
from tests.configuration import table

Json = dict[str, Any]
PREFIX = "apim-token-rotator/"
WAIT_TIMEOUT = 30.0


@dataclass
class ClusterEnv:
    """Deployed gateways, by name: each has one place, or several.

    `way`: how daemons reach the cluster, if not straight. `webhook`: whether they listen to Event Grid.
    A place with a name of a cluster is in that one of the sandbox's, all others are in the real one.
    """

    world: World
    sandbox: Sandbox
    helm: Helm
    directory: Path
    settings: str = ""
    places: dict[str, list[Deployed]] = field(default_factory=dict)
    account: Account | None = None
    way: Reach | None = None
    webhook: bool = False
    webhook_port: int = 0
    leases: str = ""
    """Where the Leases live: apart from the targets, as where the chart is installed, and a test's own."""

    @property
    def kubelet(self) -> Kubelet:
        assert self.world.kubelet
        return self.world.kubelet

    async def deploy(self, *orders: Order) -> list[Deployed]:
        """Deploy, each in a namespace of its own; orders of one gateway are targets of it."""
        made = []
        for order in orders:
            namespace = await self.world.namespace(order.gateway)
            self.kubelet.programs[namespace] = self.sandbox.gateway_pods
            deployed = await deploy(self.world, self.sandbox, order, namespace)
            self.places.setdefault(order.gateway, []).append(deployed)
            made.append(deployed)
        return made

    @property
    def namespaces(self) -> set[str]:
        """Those of the targets, and the one of the Leases."""
        here = {d.namespace for places in self.places.values() for d in places if d.cluster == HOME}
        return here | {self.leases} - {""}

    def gateways(self) -> list[Json]:
        """The gateways as the configuration, and the chart's values, have them."""
        return [
            {
                "name": name,
                "resource_id": places[0].gateway.resource_id,
                "targets": [_target(place) for place in places],
            }
            for name, places in self.places.items()
        ]

    def config(self) -> Path:
        assert self.account
        kubeconfig = (self.way or self.world.reach).kubeconfig(
            self.directory / "kubeconfig", {"tokenFile": str(self.account.file)}
        )
        if further := [name for name in self.sandbox.clusters if name != HOME]:
            _add(kubeconfig, self.sandbox.write_kubeconfig(self.directory / "further", *further))
        path = self.directory / "config.toml"
        path.write_text(self._head(kubeconfig) + "".join(_table(g) for g in self.gateways()))
        return path

    def _head(self, kubeconfig: Path) -> str:
        return configuration.process(
            table("[azure]", endpoint=self.sandbox.arm_url, ca_file=self.sandbox.ca_file),
            table(
                "[kubernetes]",
                kubeconfig=kubeconfig,
                lease_namespace=self.leases,
                lease_duration="5s",
            ),
            table(
                "[webhook]",
                enabled=self.webhook,
                listen=f"127.0.0.1:{self.webhook_port}",
                allow_unauthenticated=self.webhook,
            ),
            table("[rotation]", schedule_jitter="0s"),
            self.settings,
        )

    @asynccontextmanager
    async def daemon(self) -> AsyncIterator[Daemon]:
        """A daemon process under the chart's account; its Roles are created with the first."""
        if self.account is None:
            here = [gateway | {"targets": _here(gateway)} for gateway in self.gateways()]
            self.leases = await self.world.namespace("leases")
            self.account = await install(self.world.api, self.helm, here, self.leases, self.directory)
        env = self._environment() | {"POD_NAME": "rotator-0"}
        async with Daemon(str(self.config()), env, _tell) as daemon:
            if self.webhook:
                started = await daemon.line(lambda x: x["event"] == "started", WAIT_TIMEOUT)
                self.webhook_port = started["ports"]["webhook"]
                await daemon.line(lambda x: x["event"] == "ready", WAIT_TIMEOUT)
            yield daemon

    async def command(self, *words: str) -> tuple[int, str]:
        """Run a rotator command under the same account, to its end: exit code, and all that it said."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "rotator", *words, "-c", str(self.config())),
            env=self._environment(),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        return process.returncode or 0, said.decode()

    def _environment(self) -> dict[str, str]:
        return self.sandbox.identity_env | {"PATH": "/usr/bin:/bin", "HOME": str(self.directory)}

    async def deliver_near_expiry(self, place: Deployed) -> None:
        """Have Event Grid tell the daemon's webhook that the token in place is near its expiry."""
        if not self.sandbox.eventgrid.subscriptions:
            await self.sandbox.eventgrid.subscribe(f"http://127.0.0.1:{self.webhook_port}/events")
        at = datetime.fromisoformat((await self.notes(place))["expires-at"])
        await self.sandbox.eventgrid.deliver([near_expiry(place.gateway, at, "oslo-0")])

    async def notes(self, place: Deployed) -> dict[str, str]:
        secret = await self.world.api.get("Secret", place.namespace, place.secret)
        return _notes(secret)

    async def token(self, place: Deployed) -> str:
        """What is in the Secret just now."""
        secret = await self.world.api.get("Secret", place.namespace, place.secret)
        return base64.b64decode(secret["data"][place.key]).decode()

    async def until(self, place: Deployed, wanted: Callable[[dict[str, str]], bool]) -> dict[str, str]:
        """Our notes on the place's Secret, as soon as they are as wanted."""
        found = await self.world.until(
            "Secret", place.namespace, place.secret, lambda s: wanted(_notes(s)), WAIT_TIMEOUT
        )
        return _notes(found)

    async def renewed(self, *places: Deployed) -> None:
        """Until each place has a new token, rolled out and proven."""
        for place in places or [d for all_of in self.places.values() for d in all_of]:
            old = place.token_fingerprint
            await self.until(place, lambda n: n.get("fingerprint") not in {None, old} and "verified-at" in n)  # noqa: B023 - called at once

    async def renewed_to(self, place: Deployed) -> str:
        """The fingerprint of the place's new token, when that is proven."""
        await self.renewed(place)
        return (await self.notes(place))["fingerprint"]

    async def every_pod_runs_the_new_token(self) -> None:
        """Ask Azure's side, pod by pod."""
        pods = await self.sandbox.pods()
        for places in self.places.values():
            for place in places:
                mine = [p for p in pods if p.namespace == place.namespace]
                wanted = (await self.notes(place))["fingerprint"]
                assert wanted != place.token_fingerprint
                assert mine
                assert {(p.fingerprint, p.ok) for p in mine} == {(wanted, True)}


def _tell(line: Json) -> None:
    """Shown with a test that failed."""
    print(json.dumps(line))


def _notes(secret: Json) -> dict[str, str]:
    notes = secret["metadata"].get("annotations") or {}
    return {k.removeprefix(PREFIX): v for k, v in notes.items() if k.startswith(PREFIX)}


def _target(place: Deployed) -> Json:
    made: Json = {"namespace": place.namespace, "secret": place.secret, "workloads": [place.workload]}
    return made if place.cluster == HOME else made | {"context": place.cluster}


def _here(gateway: Json) -> list[Json]:
    """The targets that the chart's Roles are for."""
    return [target for target in gateway["targets"] if "context" not in target]


def _add(kubeconfig: Path, further: Path) -> None:
    """Add the contexts of another kubeconfig; the current one stays."""
    ours, theirs = (yaml.safe_load(path.read_text()) for path in (kubeconfig, further))
    for kind in ("clusters", "users", "contexts"):
        ours[kind] += theirs[kind]
    kubeconfig.write_text(yaml.safe_dump(ours))


def _table(gateway: Json) -> str:
    targets = "".join(configuration.target(**target) for target in gateway["targets"])
    return configuration.gateway(gateway["name"], targets=targets, resource_id=gateway["resource_id"])

"""The real cluster, the sandbox's Azure and daemon processes, for tests that look from outside."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rotator.cli.demo.process import Daemon
from rotator.sandbox import Sandbox
from rotator.sandbox.fleet import Deployed
from tests.chart.helm import Helm
from tests.cluster.e2e.account import Account, install
from tests.cluster.e2e.fleet import Order, deploy
from tests.cluster.kubelet.fake import Kubelet
from tests.cluster.world import World

Json = dict[str, Any]
PREFIX = "apim-token-rotator/"
PATIENCE = 60.0


@dataclass
class Town:
    """Deployed gateways, by name: each has one place, or several."""

    world: World
    sandbox: Sandbox
    helm: Helm
    directory: Path
    settings: str = ""
    places: dict[str, list[Deployed]] = field(default_factory=dict)
    account: Account | None = None

    @property
    def kubelet(self) -> Kubelet:
        assert self.world.kubelet
        return self.world.kubelet

    async def settle(self, *orders: Order) -> list[Deployed]:
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
        return {d.namespace for places in self.places.values() for d in places}

    def gateways(self) -> list[Json]:
        """The gateways as the configuration, and the chart's values, have them."""
        return [
            {
                "name": name,
                "resource_id": places[0].gateway.resource_id,
                "targets": [
                    {"namespace": d.namespace, "secret": d.secret, "workloads": [d.workload]} for d in places
                ],
            }
            for name, places in self.places.items()
        ]

    def config(self) -> Path:
        assert self.account
        kubeconfig = self.world.reach.kubeconfig(
            self.directory / "kubeconfig", {"tokenFile": str(self.account.file)}
        )
        path = self.directory / "config.toml"
        path.write_text(self._head(kubeconfig) + "".join(_table(g) for g in self.gateways()))
        return path

    def _head(self, kubeconfig: Path) -> str:
        return f"""
[azure]
endpoint = "{self.sandbox.arm_url}"
ca_file = "{self.sandbox.ca_file}"
[kubernetes]
kubeconfig = "{kubeconfig}"
lease_duration = "10s"
[webhook]
enabled = false
[internal]
listen = "127.0.0.1:0"
[rotation]
schedule_jitter = "0s"
[log]
format = "json"
level = "debug"
[defaults]
renew_before = "5d"
{self.settings}
"""

    @asynccontextmanager
    async def daemon(self) -> AsyncIterator[Daemon]:
        """A daemon process under the chart's account; its Roles are created with the first."""
        if self.account is None:
            self.account = await install(self.world.api, self.helm, self.gateways(), self.directory)
        env = self.sandbox.identity_env | {"PATH": "/usr/bin:/bin", "HOME": str(self.directory)}
        async with Daemon(str(self.config()), env | {"POD_NAME": "rotator-0"}) as daemon:
            yield daemon

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
            "Secret", place.namespace, place.secret, lambda s: wanted(_notes(s)), PATIENCE
        )
        return _notes(found)

    async def renewed(self, *places: Deployed) -> None:
        """Until each place has a new token, rolled out and proven."""
        for place in places or [d for all_of in self.places.values() for d in all_of]:
            old = place.token_fingerprint
            await self.until(place, lambda n: n.get("fingerprint") not in {None, old} and "verified-at" in n)  # noqa: B023 - called at once

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


def _notes(secret: Json) -> dict[str, str]:
    notes = secret["metadata"].get("annotations") or {}
    return {k.removeprefix(PREFIX): v for k, v in notes.items() if k.startswith(PREFIX)}


def _table(gateway: Json) -> str:
    targets = "".join(
        f'[[gateways.targets]]\nnamespace = "{t["namespace"]}"\nsecret = "{t["secret"]}"\n'
        f"workloads = {t['workloads']}\n"
        for t in gateway["targets"]
    )
    head = f'[[gateways]]\nname = "{gateway["name"]}"\nresource_id = "{gateway["resource_id"]}"\n'
    return head + targets

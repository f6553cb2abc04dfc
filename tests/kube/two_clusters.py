"""Two clusters: home, and another one that the kubeconfig calls `west`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from rotator.config import KubernetesSettings, TargetSettings
from rotator.core.observation import Observation, UnobservedTarget
from rotator.kube import Clusters, KubeTargetStore
from sandbox.world import Sandbox
from tests.kube.scene import deployment, in_days, issued, running, secret, target, target_store

Json = dict[str, Any]
WEST = "west"


def kubeconfig(**contexts: Sandbox) -> Json:
    """Return a kubeconfig of these sandboxes by context; the first is the current one."""
    parts = {name: yaml.safe_load(sandbox.kubeconfig.read_text()) for name, sandbox in contexts.items()}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": next(iter(contexts)),
        "clusters": [
            {"name": name, "cluster": part["clusters"][0]["cluster"]} for name, part in parts.items()
        ],
        "users": [{"name": name, "user": part["users"][0]["user"]} for name, part in parts.items()],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}} for name in parts],
    }


def target_in_west(name: str = "s", context: str = WEST) -> TargetSettings:
    """A target in another cluster."""
    return target(name, "deployment/gw").model_copy(update={"context": context})


def target_at_home(name: str = "s") -> TargetSettings:
    return target(name, "deployment/gw")


@dataclass(slots=True)
class TwoClusters:
    """The same gateway in two clusters, with its token in Secret default/s of each."""

    home: Sandbox
    west: Sandbox
    file: Path
    value: str
    closing: AsyncExitStack
    config: Json = field(default_factory=dict)
    clusters: Clusters | None = None

    @property
    def settings(self) -> KubernetesSettings:
        return KubernetesSettings(kubeconfig=self.file)

    def save(self, config: Json | None = None) -> None:
        self.file.write_text(yaml.safe_dump(config or self.config))

    async def connect(self, contexts: Iterable[str | None] = (None, WEST), **options: Any) -> Clusters:
        more = {"environ": {}, "call_timeout": 60.0, "min_backoff": 0.05, "max_backoff": 0.2} | options
        settings = more.pop("settings", self.settings)
        clusters = await Clusters.connect(settings, contexts, "apim-token-rotator/test", **more)
        self.clusters = await self.closing.enter_async_context(clusters)
        return clusters

    async def store(self, *targets: TargetSettings, **options: Any) -> KubeTargetStore:
        return target_store(await self.connect(**options), *(targets or (target_at_home(), target_in_west())))

    def give_west(self, seconds: float) -> None:
        """Give a call to west so long from now on; a call to home has a minute, however slow the machine."""
        assert self.clusters
        connection = self.clusters.at(WEST).connection
        assert connection
        connection.call_timeout = seconds

    def fresh(self) -> Any:
        """A token on the standby key."""
        return issued(self.home.azure.gateways[0].mint("secondary", in_days(29)), in_days(29))

    def asked_west(self) -> list[str]:
        return [f"{call.method} {call.path}" for call in self.west.journal.calls("kubernetes")]


@asynccontextmanager
async def open_two_clusters(directory: Path) -> AsyncIterator[TwoClusters]:
    async with AsyncExitStack() as stack:
        home, west = [
            await stack.enter_async_context(Sandbox(directory / name, ready_delay=0.01, term_delay=0.01))
            for name in ("home", WEST)
        ]
        value = home.azure.add_gateway("gw1").mint("primary", in_days(9))
        for sandbox in (home, west):
            sandbox.cluster.apply(secret(f"GatewayKey {value}"))
            sandbox.gateway_pods.endpoint = home.configuration_url
            await running(sandbox, deployment())
        config = kubeconfig(home=home, west=west)
        two_clusters = TwoClusters(home, west, directory / "kubeconfig", value, stack, config)
        two_clusters.save()
        yield two_clusters


def names(observation: Observation) -> list[str]:
    return [target.name for target in observation.targets]


def unobserved(observation: Observation) -> UnobservedTarget:
    (found,) = observation.unreachable
    return found


async def until_seen(store: KubeTargetStore, wanted: Callable[[Observation], bool]) -> Observation:
    """Look again and again, as a rotation does."""
    from datetime import timedelta

    while not wanted(observation := await store.observe()):
        await store.changed(observation, timedelta(seconds=5))
    return observation

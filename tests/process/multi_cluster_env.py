"""Gateways that may run in several clusters, with several daemons, some by a wrong clock."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sandbox.cluster import Cluster
from sandbox.demo.process import Daemon
from sandbox.fleet import Deployed, Layout, deploy_everywhere
from sandbox.names import HOME
from tests import configuration
from tests.process.process_env import PREFIX, WAIT_TIMEOUT, ProcessEnv

Json = dict[str, Any]
SKEWED = str(Path(__file__).with_name("skewed.py"))


@dataclass
class MultiClusterEnv(ProcessEnv):
    """`places`: where each gateway runs, in the order of its targets. `policies`: lines of its own table."""

    places: dict[str, list[Deployed]] = field(default_factory=dict)
    policies: dict[str, str] = field(default_factory=dict)
    kubernetes: str = 'lease_namespace = "default"\n'
    """The Leases are at home, where not every gateway has a namespace."""

    async def deploy_in(
        self,
        gateway: str,
        *clusters: str,
        layout: Layout = "how-to",
        days: float = 20,
        replicas: int = 1,
    ) -> list[Deployed]:
        """Deploy a gateway in these clusters, with one token that still lives so many days."""
        places = await deploy_everywhere(
            self.sandbox,
            layout,
            gateway,
            clusters,
            namespace=f"apim-{gateway}",
            expires_at=datetime.now(UTC) + timedelta(days=days),
            replicas=replicas,
        )
        self.places[gateway], self.gateways[gateway] = places, places[0]
        return places

    def cluster(self, name: str = HOME) -> Cluster:
        return self.sandbox.clusters[name].cluster

    def table(self, deployed: Deployed) -> str:
        """Every target names its context, home too."""
        gateway = deployed.gateway
        targets = [
            configuration.target(place.namespace, secret=place.secret, context=place.cluster)
            for place in self.places.get(gateway.name, [deployed])
        ]
        return configuration.gateway(
            gateway.name, self.policies.get(gateway.name, ""), "".join(targets), gateway.resource_id
        )

    def secret(self, place: Deployed) -> Json:
        return self.cluster(place.cluster).get("Secret", place.namespace, place.secret) or {}

    def notes(self, gateway: str, cluster: str | None = None) -> dict[str, str]:
        """Our annotations on the gateway's Secret in this cluster (its first, if none is named)."""
        notes = self.secret(self.place(gateway, cluster)).get("metadata", {}).get("annotations") or {}
        return {k.removeprefix(PREFIX): v for k, v in notes.items() if k.startswith(PREFIX)}

    def place(self, gateway: str, cluster: str | None = None) -> Deployed:
        places = self.places.get(gateway) or [self.gateways[gateway]]
        return next(place for place in places if cluster in {None, place.cluster})

    async def verified_in(self, gateway: str, cluster: str, revision: int) -> None:
        """Wait until the gateway's pods in this cluster are proven to run its so-many-th token."""

        def rests(_: Cluster) -> bool:
            notes = self.notes(gateway, cluster)
            return notes.get("revision") == str(revision) and "verified-at" in notes

        await self.cluster(cluster).wait_for(rests, WAIT_TIMEOUT)

    async def verified_at(self, gateway: str, revision: int) -> None:
        """In all its clusters."""
        for place in self.places.get(gateway) or [self.gateways[gateway]]:
            await self.verified_in(gateway, place.cluster, revision)

    async def adopted(self, gateway: str) -> None:
        """In all its clusters."""
        for place in self.places.get(gateway) or [self.gateways[gateway]]:
            cluster = place.cluster
            await self.cluster(cluster).wait_for(
                lambda _, at=cluster: "fingerprint" in self.notes(gateway, at), WAIT_TIMEOUT
            )

    @asynccontextmanager
    async def replicas(self, *skews: float) -> AsyncIterator[list[Daemon]]:
        """So many daemons at once, all ready; each skew says by how many seconds one's clock is ahead.

        Each has a webhook port of its own (`env.port(daemon, "webhook")`); they are rotator-0, rotator-1 ...
        """
        async with AsyncExitStack() as stack:
            daemons = [
                await stack.enter_async_context(self.process(f"rotator-{number}", skew))
                for number, skew in enumerate(skews)
            ]
            for daemon in daemons:
                await daemon.line(lambda x: x["event"] == "ready", WAIT_TIMEOUT)
            yield daemons

    def process(self, pod: str, skew: float = 0.0) -> Daemon:
        """A daemon, not started yet, with a configuration file and a webhook port of its own."""
        program: Sequence[str] = (SKEWED, str(skew)) if skew else ("-m", "rotator")
        path = self.directory / f"config-{pod}.toml"
        path.write_text(self.config.read_text())
        return Daemon(str(path), self.environment(pod), program=program)

    async def tool(self, *words: str, skew: float = 0.0) -> asyncio.subprocess.Process:
        """Start a rotator command beside the daemons; `communicate()` for its output."""
        program: Sequence[str] = (SKEWED, str(skew)) if skew else ("-m", "rotator")
        command = (sys.executable, *program, *words, "-c", str(self.config))
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(
            *command, env=self.environment(), stdout=pipe, stderr=pipe
        )

    def calls_of(self, action: str, gateway: str) -> int:
        """How often ARM was asked for this action (generateToken, regenerateKey) on this gateway."""
        return len(self.sandbox.journal.calls("arm", "POST", f"/gateways/{gateway}/{action}$"))

    async def tokens_by_cluster(self, gateway: str) -> Mapping[str, set[tuple[str, bool]]]:
        """By cluster: which tokens its pods of this gateway run, and whether Azure takes them now."""
        seen: dict[str, set[tuple[str, bool]]] = {}
        for pod in await self.sandbox.pods():
            if pod.gateway == gateway:
                seen.setdefault(pod.cluster, set()).add((pod.fingerprint, pod.ok))
        return seen

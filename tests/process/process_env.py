"""A sandbox with gateways and real `rotator` processes, for tests that look from outside."""

from __future__ import annotations

import asyncio
import io
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp

from sandbox import Sandbox
from sandbox.azure.events import near_expiry
from sandbox.demo.process import Daemon
from sandbox.fleet import Deployed, deploy
from tests import configuration
from tests.configuration import table

Json = dict[str, Any]
PREFIX = "apim-token-rotator/"
LAYOUTS = ("how-to", "portal", "helm")
WAIT_TIMEOUT = 60.0


@dataclass
class ProcessEnv:
    """One sandbox, some gateways, one configuration."""

    sandbox: Sandbox
    directory: Path
    gateways: dict[str, Deployed] = field(default_factory=dict)
    settings: str = ""
    """Lines of the table `[defaults]`."""
    extra: dict[str, str] = field(default_factory=dict)
    """Further targets, or lines of its target, by gateway."""
    webhook: str = ""
    """Further lines of the table `[webhook]`."""
    kubernetes: str = ""
    """Further lines of the table `[kubernetes]`."""
    webhook_port: int = 0
    """The one of the first daemon: those after it listen there, too, as behind a Service."""

    async def deploy(
        self, gateway: str, layout: str = "how-to", days: float = 20, replicas: int = 1
    ) -> Deployed:
        """Deploy a gateway whose token still lives so many days."""
        expires_at = datetime.now(UTC) + timedelta(days=days)
        self.gateways[gateway] = await deploy(
            self.sandbox,
            layout,
            gateway,
            namespace=f"apim-{gateway}",
            expires_at=expires_at,
            replicas=replicas,
        )
        return self.gateways[gateway]

    async def deploy_again(self, gateway: str, namespace: str, replicas: int = 1) -> None:
        """Run the same gateway, with the token of its first place, in another namespace."""
        first = self.gateways[gateway]
        secret = self.sandbox.cluster.get("Secret", first.namespace, first.secret)
        assert secret
        at = self.azure(gateway).minted[0].expires_at
        await deploy(self.sandbox, "how-to", gateway, namespace=namespace, expires_at=at, replicas=replicas)
        self.extra[gateway] = configuration.target(namespace, secret=first.secret)

    async def turn_into(self, gateway: str, kind: str) -> None:
        """Replace the gateway's Deployment by a StatefulSet or DaemonSet of the same pods."""
        d = self.gateways[gateway]
        name = d.workload.partition("/")[2]
        cluster = self.sandbox.cluster
        deployment = cluster.get("Deployment", d.namespace, name)
        assert deployment
        cluster.delete("Deployment", d.namespace, name)
        spec = {k: deployment["spec"][k] for k in ("selector", "template")}
        spec |= {"serviceName": name, "replicas": 2} if kind == "StatefulSet" else {}
        meta = {"name": name, "namespace": d.namespace}
        cluster.apply({"apiVersion": "apps/v1", "kind": kind, "metadata": meta, "spec": spec})
        wanted = 2 if kind == "StatefulSet" else 1

        def ready(_: object) -> bool:
            pods = cluster.list("Pod", d.namespace)
            return len(pods) == wanted and all(is_ready(p) for p in pods)

        await cluster.wait_for(ready, WAIT_TIMEOUT)

    @property
    def config(self) -> Path:
        """Write the configuration for the gateways there are now."""
        path = self.directory / "config.toml"
        path.write_text(self.head() + "".join(self.table(d) for d in self.gateways.values()))
        return path

    def head(self) -> str:
        return configuration.process(
            table("[azure]", endpoint=self.sandbox.arm_url, ca_file=self.sandbox.ca_file),
            table(
                "[kubernetes]",
                self.kubernetes,
                kubeconfig=self.sandbox.kubeconfig,
                lease_duration="5s",
            ),
            table(
                "[webhook]",
                self.webhook,
                listen=f"127.0.0.1:{self.webhook_port}",
                allow_unauthenticated=True,
            ),
            defaults=self.settings,
        )

    def table(self, deployed: Deployed) -> str:
        gateway = deployed.gateway
        targets = configuration.target(deployed.namespace, secret=deployed.secret)
        targets += self.extra.get(gateway.name, "") + "\n"
        return configuration.gateway(gateway.name, targets=targets, resource_id=gateway.resource_id)

    def azure(self, gateway: str) -> Any:
        return self.gateways[gateway].gateway

    def environment(self, pod: str = "rotator-0") -> dict[str, str]:
        return self.sandbox.environment() | {
            "PATH": "/usr/bin:/bin",
            "POD_NAME": pod,
            "HOME": str(self.directory),
        }

    @asynccontextmanager
    async def daemon(self, pod: str = "rotator-0") -> AsyncIterator[Daemon]:
        """A daemon process that is ready."""
        async with Daemon(str(self.config), self.environment(pod)) as daemon:
            await daemon.line(lambda x: x["event"] == "ready", WAIT_TIMEOUT)
            self.webhook_port = port(daemon, "webhook")
            yield daemon

    async def command(self, *words: str) -> tuple[int, str, str]:
        """Run a rotator command to its end: exit code, output, errors."""
        return await self.command_with(self.config, *words)

    async def command_with(self, config: Path, *words: str) -> tuple[int, str, str]:
        process = await self.start(config, *words)
        out, err = await process.communicate()
        return process.returncode or 0, out.decode(), err.decode()

    async def start(self, config: Path, *words: str) -> asyncio.subprocess.Process:
        command = (sys.executable, "-m", "rotator", *words, "-c", str(config))
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(
            *command, env=self.environment(), stdout=pipe, stderr=pipe
        )

    def notes(self, gateway: str) -> dict[str, str]:
        """Our annotations on the gateway's Secret, without their prefix."""
        d = self.gateways[gateway]
        secret = self.sandbox.cluster.get("Secret", d.namespace, d.secret) or {}
        notes = secret.get("metadata", {}).get("annotations") or {}
        return {k.removeprefix(PREFIX): v for k, v in notes.items() if k.startswith(PREFIX)}

    def settled(self, gateway: str, revision: int) -> bool:
        """Whether this many tokens have been issued, and the last is verified and all is released."""
        notes = self.notes(gateway)
        return notes.get("revision") == str(revision) and "verified-at" in notes

    async def verified_at(self, gateway: str, revision: int) -> None:
        await self.sandbox.cluster.wait_for(lambda _: self.settled(gateway, revision), WAIT_TIMEOUT)

    async def adopted(self, gateway: str) -> None:
        await self.sandbox.cluster.wait_for(lambda _: "fingerprint" in self.notes(gateway), WAIT_TIMEOUT)

    def expiry(self, gateway: str) -> datetime:
        """The expiry of the token that our record names."""
        return datetime.fromisoformat(self.notes(gateway)["expires-at"])

    async def deliver_near_expiry(self, gateway: str, daemon: Daemon, count: int = 1) -> None:
        """Deliver NearExpiry events about the token in place to the daemon's webhook."""
        if not self.sandbox.eventgrid.subscriptions:
            await self.subscribe(daemon)
        azure, at = self.azure(gateway), self.expiry(gateway)
        await self.sandbox.eventgrid.deliver([near_expiry(azure, at, f"{gateway}-{n}") for n in range(count)])

    async def subscribe(self, daemon: Daemon) -> None:
        await self.sandbox.eventgrid.subscribe(f"http://127.0.0.1:{port(daemon, 'webhook')}/events")

    async def pods_run_the_secrets_token(self, gateway: str) -> None:
        """Ask Azure's side: each pod authenticates, with the token that is recorded and in place."""
        mine = [p for p in await self.sandbox.pods() if p.gateway == gateway]
        assert mine
        assert {(p.fingerprint, p.ok) for p in mine} == {(self.notes(gateway)["fingerprint"], True)}

    def rollouts(self, gateway: str) -> int:
        """How many different pod templates the gateway's workload has had."""
        d = self.gateways[gateway]
        name = d.workload.partition("/")[2] or d.workload
        sets = self.sandbox.cluster.list("ReplicaSet", d.namespace)
        return len([s for s in sets if s["metadata"]["ownerReferences"][0]["name"] == name])

    def minted(self, gateway: str) -> set[str]:
        """Fingerprints of all tokens that Azure ever gave out through ARM (asking again counts once)."""
        return {m.fingerprint for m in self.azure(gateway).minted} - {
            self.gateways[gateway].token_fingerprint
        }

    def writes(self) -> list[tuple[str, str]]:
        """Every call that changed something or asked for a token, Kubernetes Events aside."""
        changing = [c for c in self.sandbox.journal.calls() if c.method != "GET"]
        return [
            (c.method, c.path)
            for c in changing
            if c.server in {"kubernetes", "arm"}
            and not c.path.endswith("/events")
            and "/events/" not in c.path
        ]


def is_ready(pod: Json) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def port(daemon: Daemon, name: str) -> int:
    number: int = next(x for x in daemon.lines if x["event"] == "started")["ports"][name]
    return number


def run_ended(gateway: str) -> Callable[[Json], bool]:
    return lambda x: x["event"] == "rotation" and x["gateway"] == gateway


async def fetch(daemon: Daemon, path: str, server: str = "internal") -> tuple[int, str]:
    url = f"http://127.0.0.1:{port(daemon, server)}{path}"
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        return answer.status, await answer.text()


async def post(
    daemon: Daemon, body: object, content_type: str = "application/json", **headers: str
) -> tuple[int, str]:
    url = f"http://127.0.0.1:{port(daemon, 'webhook')}/events"
    data = io.BytesIO(body if isinstance(body, bytes) else json.dumps(body).encode())
    async with (
        aiohttp.ClientSession() as http,
        http.post(url, data=data, headers={"content-type": content_type} | headers) as answer,
    ):
        return answer.status, await answer.text()

"""One cluster of the world, from outside: its address and credentials, and the weather on the way there."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from starlette.types import Receive, Scope, Send

from sandbox.cluster import Cluster
from sandbox.names import server_of
from sandbox.serve import Servers

Json = dict[str, Any]


def new_token() -> str:
    """A bearer token for a cluster's API."""
    return secrets.token_urlsafe(32)


@dataclass(slots=True, eq=False)
class Site:
    """A cluster as its clients meet it; `name` is its context in the kubeconfig.

    `server` names its API in faults and journal. `delay` (seconds) makes all its answers late.
    """

    name: str
    cluster: Cluster
    token: str = field(repr=False)
    delay: float = 0.0
    url: str = ""
    servers: Servers | None = field(default=None, repr=False)

    @property
    def server(self) -> str:
        return server_of(self.name)

    @property
    def up(self) -> bool:
        return self.servers is not None and self.servers.is_up(self.server)

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The cluster's API, as late as `delay` says."""
        if self.delay:
            await asyncio.sleep(self.delay)
        await self.cluster.app(scope, receive, send)

    async def outage(self) -> None:
        """Cut all connections to the API and refuse new ones until `recover`; the cluster lives on.

        Raises RuntimeError outside of the world.
        """
        await self._servers().down(self.server)

    async def recover(self) -> None:
        """Let the API answer again, at the same address."""
        await self._servers().up(self.server)

    def renew_token(self) -> None:
        """From now on the API takes another bearer token, `token`, and no longer the one before."""
        self.token = new_token()
        self.cluster.expect(self.token)

    def _servers(self) -> Servers:
        if self.servers is None:
            raise RuntimeError("the sandbox is not entered")
        return self.servers


def write_kubeconfig(path: Path, ca: Path, sites: Iterable[Site]) -> None:
    """Write a kubeconfig, for its owner's eyes, with a context for each cluster; the first is the current."""
    sites = list(sites)
    trust = {"certificate-authority": str(ca.resolve())}
    body: Json = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": sites[0].name,
        "clusters": [{"name": site.name, "cluster": {"server": site.url} | trust} for site in sites],
        "users": [{"name": site.name, "user": {"token": site.token}} for site in sites],
        "contexts": [
            {"name": s.name, "context": {"cluster": s.name, "user": s.name, "namespace": "default"}}
            for s in sites
        ],
    }
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(body))

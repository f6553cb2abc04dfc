"""A cluster as its clients reach it: address, credentials, delays and outages; and the kubeconfig."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from starlette.types import Receive, Scope, Send

from sandbox.cluster import Cluster
from sandbox.common import Json
from sandbox.names import server_of
from sandbox.serve import Servers


def new_token() -> str:
    """Return a new bearer token for a cluster's API."""
    return secrets.token_urlsafe(32)


@dataclass(slots=True, eq=False)
class ClusterEndpoint:
    """A cluster and its API server; `name` is its context in the kubeconfig.

    `server` names the API in faults and journal. `delay` (seconds) holds back every answer.
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
        """Serve the cluster's API, `delay` seconds late."""
        if self.delay:
            await asyncio.sleep(self.delay)
        await self.cluster.app(scope, receive, send)

    async def outage(self) -> None:
        """Cut all connections to the API and refuse new ones until `recover`. The cluster runs on.

        Raises RuntimeError unless the sandbox runs.
        """
        await self._servers().down(self.server)

    async def recover(self) -> None:
        """Serve the API again at the same address."""
        await self._servers().up(self.server)

    def renew_token(self) -> None:
        """Replace the bearer token: from now on the API accepts only the new `token`."""
        self.token = new_token()
        self.cluster.set_token(self.token)

    def _servers(self) -> Servers:
        if self.servers is None:
            raise RuntimeError("the sandbox is not running")
        return self.servers


def write_kubeconfig(path: Path, ca: Path, endpoints: Iterable[ClusterEndpoint]) -> None:
    """Write a kubeconfig, readable by its owner only: one context for each cluster, the first is current."""
    endpoints = list(endpoints)
    trust = {"certificate-authority": str(ca.resolve())}
    body: Json = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": endpoints[0].name,
        "clusters": [
            {"name": endpoint.name, "cluster": {"server": endpoint.url} | trust} for endpoint in endpoints
        ],
        "users": [{"name": endpoint.name, "user": {"token": endpoint.token}} for endpoint in endpoints],
        "contexts": [
            {
                "name": endpoint.name,
                "context": {"cluster": endpoint.name, "user": endpoint.name, "namespace": "default"},
            }
            for endpoint in endpoints
        ],
    }
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(body))

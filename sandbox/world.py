"""The whole sandbox: Azure, Kubernetes clusters and gateway pods, served on loopback."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from starlette.types import ASGIApp

from sandbox import tls
from sandbox.azure import identity
from sandbox.azure.account import Azure
from sandbox.azure.arm import Arm
from sandbox.azure.configuration import Configuration
from sandbox.azure.date_header import with_date_header
from sandbox.azure.eventgrid import PATH, EventGrid
from sandbox.azure.gateway_pod import ClusterProgram, GatewayPods, PodAuth
from sandbox.azure.namespace import Namespace
from sandbox.azure.pull_queue import PullQueue
from sandbox.cluster import Cluster
from sandbox.cluster_endpoints import ClusterEndpoint, new_token, write_kubeconfig
from sandbox.conflicting_writers import ConflictingWriters
from sandbox.control import control_api
from sandbox.faults import Faults
from sandbox.journal import Journal
from sandbox.names import HOME, server_of
from sandbox.serve import Servers


class Sandbox:
    """An async context manager: its URLs answer while it is entered; leaving it stops everything.

    It writes certificates and a kubeconfig to `directory`. Delays are in seconds; `retry_scale` shortens the
    delays between Event Grid's attempts. The argument `clusters` names further clusters, whose gateway pods
    use the same Azure. The attribute `cluster` is the first cluster, `clusters` has all of them by name.
    """

    arm_url: str
    kubernetes_url: str
    configuration_url: str
    entra_url: str
    eventgrid_url: str
    namespace_url: str
    control_url: str
    ca_file: Path
    kubeconfig: Path
    identity_env: dict[str, str]

    def __init__(
        self,
        directory: Path,
        *,
        ready_delay: float = 0.2,
        term_delay: float = 0.1,
        retry_scale: float = 0.001,
        kubernetes_token: str | None = None,
        clusters: Sequence[str] = (),
    ) -> None:
        self._directory = directory
        self._stack = AsyncExitStack()
        self.azure = Azure()
        self.faults = Faults(server_of(name) for name in clusters)
        self.journal = Journal()
        self.eventgrid = EventGrid(retry_scale)
        self.namespace = Namespace(self.azure.identity)
        self.gateway_pods = GatewayPods(self.azure)
        self.clusters: dict[str, ClusterEndpoint] = {}
        for name in (HOME, *clusters):
            token = (kubernetes_token if name == HOME else None) or new_token()
            program = ClusterProgram(self.gateway_pods, name)
            cluster = Cluster(program, token=token, ready_delay=ready_delay, term_delay=term_delay)
            self.clusters[name] = ClusterEndpoint(name, cluster, token)
        self.cluster = self.clusters[HOME].cluster
        self.conflicting_writers = ConflictingWriters(self.clusters)

    async def __aenter__(self) -> Self:
        files = tls.create(self._directory)
        async with AsyncExitStack() as stack:
            clusters = [endpoint.server for endpoint in self.clusters.values()]
            secure = dict.fromkeys(("arm", "entra", "namespace", *clusters), files)
            servers = await stack.enter_async_context(Servers(self._apps(), secure, undated={"arm"}))
            stack.callback(self.faults.clear)  # before the servers stop, so that no request hangs
            self._set_addresses(servers, files.ca)
            await stack.enter_async_context(self.gateway_pods)
            await stack.enter_async_context(self.eventgrid)
            for endpoint in self.clusters.values():
                await stack.enter_async_context(endpoint.cluster)
            await stack.enter_async_context(self.conflicting_writers)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    async def pods(self) -> list[PodAuth]:
        """Return every gateway pod, after it authenticated again with the token with which it started."""
        return await self.gateway_pods.authenticate_all()

    async def route(
        self,
        topic: str = "gateway-tokens",
        subscription: str = "rotator",
        *,
        lock_seconds: float = 60.0,
        max_deliveries: int = 10,
    ) -> PullQueue:
        """Deliver events to a namespace topic too, from whose subscription clients can pull them."""
        queue = self.namespace.subscribe(
            topic, subscription, lock_seconds=lock_seconds, max_deliveries=max_deliveries
        )
        endpoint = f"{self._inlet_url}/routes/{topic}"
        await self.eventgrid.subscribe(endpoint, schema="cloudevents", batch=100, name=f"to {topic}")
        return queue

    def environment(self) -> dict[str, str]:
        """Return the variables by which another process finds the managed identity and the clusters."""
        return self.identity_env | {"KUBECONFIG": str(self.kubeconfig)}

    def write_kubeconfig(self, path: Path, *clusters: str) -> Path:
        """Write a kubeconfig with the contexts and current tokens of these clusters; return its path."""
        write_kubeconfig(path, self.ca_file, [self.clusters[name] for name in clusters])
        return path

    def _apps(self) -> dict[str, ASGIApp]:
        apps: dict[str, ASGIApp] = {
            "arm": Arm(self.azure),
            "identity": self.azure.identity,
            "configuration": Configuration(self.azure),
            "entra": self.azure.entra,
            "eventgrid": self.eventgrid,
            "namespace": self.namespace,
            "inlet": self.namespace.inlet,
        }
        apps.update((endpoint.server, endpoint.app) for endpoint in self.clusters.values())
        guarded = {
            name: self.journal.around(name, self.faults.around(name, app)) for name, app in apps.items()
        }
        # outside of the faults, whose answers have Azure's time too
        guarded["arm"] = with_date_header(guarded["arm"], self.azure.time)
        return guarded | {"control": control_api(self)}

    def _set_addresses(self, servers: Servers, ca: Path) -> None:
        urls = servers.urls
        for endpoint in self.clusters.values():
            endpoint.url, endpoint.servers = urls[endpoint.server], servers
        self.arm_url, self.kubernetes_url = urls["arm"], urls["kubernetes"]
        self.configuration_url, self.control_url = urls["configuration"], urls["control"]
        self.entra_url = self.azure.entra.url = urls["entra"]
        self.eventgrid_url = self.eventgrid.url = urls["eventgrid"] + PATH
        self.namespace_url, self._inlet_url = urls["namespace"], urls["inlet"]
        self.gateway_pods.endpoint = self.configuration_url
        self.ca_file = ca
        self.identity_env = {
            "IDENTITY_ENDPOINT": urls["identity"] + identity.PATH,
            "IDENTITY_HEADER": self.azure.identity.header,
        }
        self.kubeconfig = self._directory / "kubeconfig"
        write_kubeconfig(self.kubeconfig, ca, self.clusters.values())

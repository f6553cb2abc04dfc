"""The whole sandbox: Azure, a Kubernetes cluster and gateway pods, served on loopback while it is entered."""

from __future__ import annotations

import secrets
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import yaml
from starlette.types import ASGIApp

from rotator.sandbox import serve, tls
from rotator.sandbox.azure import identity
from rotator.sandbox.azure.account import Azure
from rotator.sandbox.azure.arm import Arm
from rotator.sandbox.azure.configuration import Configuration
from rotator.sandbox.azure.eventgrid import PATH, EventGrid
from rotator.sandbox.azure.gateway_pod import GatewayPods, PodAuth
from rotator.sandbox.azure.namespace import Namespace
from rotator.sandbox.azure.pull_queue import PullQueue
from rotator.sandbox.cluster import Cluster
from rotator.sandbox.control import control_api
from rotator.sandbox.faults import Faults
from rotator.sandbox.journal import Journal


class Sandbox:
    """A world to run in, an async context manager: its URLs answer inside, nothing is left after.

    Certificates and a kubeconfig are written to `directory`. Delays are in seconds; `retry_scale` shortens
    Event Grid's retries.
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
    ) -> None:
        self._directory = directory
        self._kubernetes_token = kubernetes_token or secrets.token_urlsafe(32)
        self._stack = AsyncExitStack()
        self.azure = Azure()
        self.faults = Faults()
        self.journal = Journal()
        self.eventgrid = EventGrid(retry_scale)
        self.namespace = Namespace(self.azure.identity)
        self.gateway_pods = GatewayPods(self.azure)
        self.cluster = Cluster(
            self.gateway_pods, token=self._kubernetes_token, ready_delay=ready_delay, term_delay=term_delay
        )

    async def __aenter__(self) -> Self:
        files = tls.create(self._directory)
        async with AsyncExitStack() as stack:
            secure = dict.fromkeys(("arm", "entra", "kubernetes", "namespace"), files)
            urls = await stack.enter_async_context(serve.serving(self._apps(), secure))
            stack.callback(self.faults.clear)  # before the servers stop: no request may hang then
            self._learn(urls, files.ca)
            await stack.enter_async_context(self.gateway_pods)
            await stack.enter_async_context(self.eventgrid)
            await stack.enter_async_context(self.cluster)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    async def pods(self) -> list[PodAuth]:
        """Every gateway pod, after asking it to authenticate again with the token it started with."""
        return await self.gateway_pods.authenticate_all()

    async def route(
        self,
        topic: str = "gateway-tokens",
        subscription: str = "rotator",
        *,
        lock_seconds: float = 60.0,
        max_deliveries: int = 10,
    ) -> PullQueue:
        """Have Event Grid deliver to a namespace topic, too; the subscription's events can then be pulled."""
        queue = self.namespace.subscribe(
            topic, subscription, lock_seconds=lock_seconds, max_deliveries=max_deliveries
        )
        endpoint = f"{self._inlet_url}/routes/{topic}"
        await self.eventgrid.subscribe(endpoint, schema="cloudevents", batch=100, name=f"to {topic}")
        return queue

    def environment(self) -> dict[str, str]:
        """What a daemon in another process needs to find the managed identity and the cluster."""
        return self.identity_env | {"KUBECONFIG": str(self.kubeconfig)}

    def _apps(self) -> dict[str, ASGIApp]:
        apps: dict[str, ASGIApp] = {
            "arm": Arm(self.azure),
            "kubernetes": self.cluster.app,
            "identity": self.azure.identity,
            "configuration": Configuration(self.azure),
            "entra": self.azure.entra,
            "eventgrid": self.eventgrid,
            "namespace": self.namespace,
            "inlet": self.namespace.inlet,
        }
        guarded = {
            name: self.journal.around(name, self.faults.around(name, app)) for name, app in apps.items()
        }
        return guarded | {"control": control_api(self)}

    def _learn(self, urls: dict[str, str], ca: Path) -> None:
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
        self.kubeconfig.touch(mode=0o600)
        self.kubeconfig.write_text(yaml.safe_dump(self._kubeconfig()))

    def _kubeconfig(self) -> dict[str, object]:
        name = "sandbox"
        cluster = {"server": self.kubernetes_url, "certificate-authority": str(self.ca_file.resolve())}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": name,
            "clusters": [{"name": name, "cluster": cluster}],
            "users": [{"name": name, "user": {"token": self._kubernetes_token}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": "default"}}],
        }

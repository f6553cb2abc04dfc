"""The program in a gateway's pod: it authenticates with the token with which it started."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Self

import aiohttp

from sandbox.azure.account import Azure
from sandbox.azure.configuration import CLUSTER, NAMESPACE, POD
from sandbox.azure.keys import fingerprint, read
from sandbox.cluster import Verdict
from sandbox.common import Json
from sandbox.names import HOME

PREFIX = "GatewayKey "
CONFIGURATION = b'{"api":"echo"}'


@dataclass(frozen=True, slots=True)
class PodAuth:
    """The result of a gateway pod's last authentication.

    Fingerprint ("" for none) and expiry (UTC) are of the bare token with which the pod started.
    """

    namespace: str
    name: str
    gateway: str
    fingerprint: str
    expires_at: datetime | None
    ok: bool
    last_at: datetime
    cluster: str = HOME


@dataclass(slots=True, eq=False)
class _Pod:
    namespace: str
    name: str
    gateway: str
    endpoint: str
    authorization: str = field(repr=False)
    cluster: str = HOME
    configured: bool = False
    latest: PodAuth | None = None

    @property
    def token(self) -> str:
        return self.authorization.removeprefix(PREFIX)


class GatewayPods:
    """The program of every pod with a gateway's settings. Other pods only run.

    A pod with an invalid token is Ready all the same and answers 200 with an empty body (a known bug of the
    gateway), unless its gateway is `strict`. Once configured, a pod keeps serving when its token expires.
    """

    def __init__(self, azure: Azure) -> None:
        self.endpoint = ""
        self._azure = azure
        self._pods: dict[str, _Pod] = {}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session:
            await self._session.close()

    async def start(self, pod: Json, env: Mapping[str, str], cluster: str = HOME) -> Verdict:
        """Start a container, which keeps this environment until it ends."""
        running = self._configure(pod, env, cluster)
        if running is None:
            return Verdict.READY
        self._pods[pod["metadata"]["uid"]] = running
        auth = await self._authenticate(running)
        if not auth.ok and any(gateway.strict for gateway in self._azure.named(running.gateway)):
            return Verdict.NEVER_READY
        return Verdict.READY

    async def stop(self, pod: Json) -> None:
        """Forget the pod."""
        self._pods.pop(pod["metadata"]["uid"], None)

    async def authenticate_all(self) -> list[PodAuth]:
        """Authenticate each running gateway pod again, with the token with which it started."""
        return sorted(
            await asyncio.gather(*(self._authenticate(pod) for pod in list(self._pods.values()))), key=_place
        )

    def latest(self) -> list[PodAuth]:
        """Return the last authentication of each running gateway pod."""
        return sorted((pod.latest for pod in self._pods.values() if pod.latest), key=_place)

    def answer(self, namespace: str, name: str, cluster: str = HOME) -> tuple[int, bytes] | None:
        """Return a pod's answer to a caller of its API (status, body), or None if there is no such pod."""
        for pod in self._pods.values():
            if (pod.cluster, pod.namespace, pod.name) == (cluster, namespace, name):
                return 200, CONFIGURATION if pod.configured else b""
        return None

    def _configure(self, pod: Json, env: Mapping[str, str], cluster: str) -> _Pod | None:
        authorization = env.get("config.service.auth", "")
        if authorization == "key":
            key = env.get("config.service.auth.key", "")
            # Whether a bare token works in this layout is unknown; the sandbox accepts it.
            authorization = key if key.startswith(PREFIX) or not key else PREFIX + key
        elif authorization in ("azureAdApp", "workloadIdentity"):
            return None  # it has no token
        if not any(name.startswith("config.service.") for name in env):
            return None
        endpoint = env.get("config.service.endpoint", "")
        claims = read(authorization.removeprefix(PREFIX))
        return _Pod(
            namespace=pod["metadata"]["namespace"],
            name=pod["metadata"]["name"],
            gateway=env.get("gateway.name") or (claims.gateway if claims else "unknown"),
            endpoint=endpoint if endpoint.startswith("http://127.0.0.1:") else self.endpoint,
            authorization=authorization,
            cluster=cluster,
        )

    async def _authenticate(self, pod: _Pod) -> PodAuth:
        place = {CLUSTER: pod.cluster, NAMESPACE: pod.namespace, POD: pod.name}
        headers = {"Authorization": pod.authorization} | place
        url = f"{pod.endpoint.rstrip('/')}/gateways/{pod.gateway}/configuration"
        if self._session is None:
            raise RuntimeError("the gateway pods of the sandbox are not running")
        try:
            async with self._session.get(url, headers=headers) as response:
                await response.read()
                ok = response.status == 200
        except (aiohttp.ClientError, OSError, ValueError):  # ValueError: a token with a line break in it
            ok = False
        pod.configured = pod.configured or ok
        claims = read(pod.token)
        pod.latest = PodAuth(
            namespace=pod.namespace,
            name=pod.name,
            gateway=pod.gateway,
            fingerprint=fingerprint(pod.token) if pod.token else "",
            expires_at=claims.expires_at if claims else None,
            ok=ok,
            last_at=self._azure.now(),
            cluster=pod.cluster,
        )
        return pod.latest


@dataclass(frozen=True, slots=True)
class ClusterProgram:
    """The gateway pods as the program of one cluster."""

    pods: GatewayPods
    cluster: str

    async def start(self, pod: Json, env: Mapping[str, str]) -> Verdict:
        return await self.pods.start(pod, env, self.cluster)

    async def stop(self, pod: Json) -> None:
        await self.pods.stop(pod)


def _place(auth: PodAuth) -> tuple[str, str, str]:
    return (auth.cluster, auth.namespace, auth.name)

"""A Secret and Deployments in the sandbox, and a fleet that looks after them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from rotator.config import TargetSettings, WorkloadRef
from rotator.core.access_token import fingerprint
from rotator.core.observation import Observation, Target, UnobservedTarget, Workload
from rotator.core.records import Decision, Key, Record, Token
from rotator.kube import Clusters, Connection, EventSink, KubeLease, KubeTargetStore
from rotator.ports import IssuedToken
from sandbox.world import Sandbox
from tests.kube.objects import encoded

Json = dict[str, Any]
KEY = "config.service.auth.key"
LEASE = "apim-token-rotator-gw1"


STARTED = datetime.now(UTC).replace(second=0, microsecond=0)


def in_days(days: int) -> datetime:
    """Return a time so many days from the start of the tests: the same however often a test asks."""
    return STARTED + timedelta(days=days)


def now() -> datetime:
    return datetime.now(UTC)


def secret(
    value: str | None, name: str = "s", annotations: dict[str, str] | None = None, **more: Any
) -> Json:
    """A Secret as the how-to has it; value None: without data."""
    data = {"data": {KEY: encoded(value), "other": encoded("kept")}} if value is not None else {}
    meta = {"name": name, "namespace": "default", "annotations": annotations or {}}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, **data, **more}


def deployment(name: str = "gw", of: str = "s", replicas: int = 2) -> Json:
    labels = {"app": name}
    container = {"name": "gateway", "image": "gateway:v2", "envFrom": [{"secretRef": {"name": of}}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def target(name: str = "s", *workloads: str, key: str | None = None) -> TargetSettings:
    refs = tuple(WorkloadRef.parse(reference) for reference in workloads) or None
    return TargetSettings(namespace="default", secret=name, key=key, workloads=refs)


def target_store(
    world: Connection | Clusters, *targets: TargetSettings, events: EventSink | None = None
) -> KubeTargetStore:
    clusters = Clusters.of(world) if isinstance(world, Connection) else world
    lease = KubeLease(clusters.home, "default", LEASE, "tests", timedelta(seconds=30))
    return KubeTargetStore(clusters, "gw1", targets or [target("s", "deployment/gw")], lease, now, events)


def issued(value: str, expires_at: datetime) -> IssuedToken:
    return IssuedToken(value, Key.SECONDARY, fingerprint(value), expires_at)


def record_of(token: IssuedToken, revision: int = 1) -> Record:
    kept = Token(token.fingerprint, token.key, now(), token.expires_at, token.fingerprint)
    return Record(Decision(revision, kept))


def only_target(observation: Observation) -> Target:
    assert not observation.unreachable, observation.unreachable
    (found,) = observation.targets
    return found


def only_unobserved(observation: Observation) -> UnobservedTarget:
    assert not observation.targets
    (found,) = observation.unreachable
    return found


def only_workload(observation: Observation) -> Workload:
    (found,) = only_target(observation).workloads
    return found


def calls(sandbox: Sandbox) -> list[str]:
    """What the API server was asked so far."""
    return [f"{call.method} {call.path}" for call in sandbox.journal.calls("kubernetes")]


async def running(sandbox: Sandbox, *deployments: Json) -> None:
    """Apply deployments and wait until all their pods are available."""
    for manifest in deployments:
        sandbox.cluster.apply(manifest)

    def available(manifest: Json) -> Callable[[Any], bool]:
        def so(cluster: Any) -> bool:
            meta = manifest["metadata"]
            status = cluster.get("Deployment", meta["namespace"], meta["name"]).get("status") or {}
            return status.get("availableReplicas", 0) == manifest["spec"]["replicas"]

        return so

    for manifest in deployments:
        await sandbox.cluster.wait_for(available(manifest))


@dataclass(frozen=True, slots=True)
class Scene:
    """One gateway's token in Secret default/s, read by the two pods of Deployment gw."""

    sandbox: Sandbox
    connection: Connection
    store: KubeTargetStore
    value: str
    fresh: IssuedToken

    def secret(self) -> Json:
        found = self.sandbox.cluster.get("Secret", "default", "s")
        assert found is not None
        return found


def forbidden(resource: str) -> str:
    return json.dumps({"kind": "Status", "message": f'User "x" cannot get resource "{resource}"'})

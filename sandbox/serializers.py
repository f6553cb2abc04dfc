"""What the control API returns as JSON: fingerprints, never token values or keys."""

from __future__ import annotations

from dataclasses import asdict

from sandbox.azure.delivery import Delivery
from sandbox.azure.gateway_pod import PodAuth
from sandbox.azure.keys import Gateway
from sandbox.cluster_endpoints import ClusterEndpoint
from sandbox.common import Json
from sandbox.conflicting_writers import ConflictingWriter
from sandbox.faults import Rule
from sandbox.journal import Call


def with_time(record: Call | Delivery) -> Json:
    """Return all fields of a record, its time in ISO 8601."""
    return asdict(record) | {"at": record.at.isoformat()}


def gateway(gateway: Gateway) -> Json:
    minted = [
        {
            "key": token.key,
            "generation": token.generation,
            "fingerprint": token.fingerprint,
            "expires_at": token.expires_at.isoformat(),
            "at": token.at.isoformat(),
        }
        for token in gateway.minted
    ]
    return {
        "name": gateway.name,
        "resource_id": gateway.resource_id,
        "generations": dict(gateway.generations),
        "minted": minted,
    }


def pod(pod: PodAuth) -> Json:
    expires_at = pod.expires_at.isoformat() if pod.expires_at else None
    return asdict(pod) | {"expires_at": expires_at, "last_at": pod.last_at.isoformat()}


def rule(rule: Rule) -> Json:
    fields = {"id": rule.id, "server": rule.server, "action": rule.action, "when": rule.when}
    return fields | {"caught": rule.caught, "hit": rule.caught > 0}


def cluster(cluster: ClusterEndpoint) -> Json:
    fields = {"name": cluster.name, "server": cluster.server, "url": cluster.url, "up": cluster.up}
    return fields | {"delay": cluster.delay, "watches": cluster.cluster.watches}


def conflicting_writer(writer: ConflictingWriter) -> Json:
    return {field: value for field, value in asdict(writer).items() if field != "original"}

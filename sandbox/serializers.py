"""How the control API shows things: JSON with fingerprints, without token values or keys."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sandbox.azure.delivery import Delivery
from sandbox.azure.gateway_pod import PodAuth
from sandbox.azure.keys import Gateway
from sandbox.faults import Rule
from sandbox.journal import Call

Json = dict[str, Any]


def with_time(seen: Call | Delivery) -> Json:
    """A record as it is, its time in ISO 8601."""
    return asdict(seen) | {"at": seen.at.isoformat()}


def gateway(seen: Gateway) -> Json:
    minted = [
        {
            "key": token.key,
            "generation": token.generation,
            "fingerprint": token.fingerprint,
            "expires_at": token.expires_at.isoformat(),
            "at": token.at.isoformat(),
        }
        for token in seen.minted
    ]
    return {
        "name": seen.name,
        "resource_id": seen.resource_id,
        "generations": dict(seen.generations),
        "minted": minted,
    }


def pod(seen: PodAuth) -> Json:
    expires_at = seen.expires_at.isoformat() if seen.expires_at else None
    return asdict(seen) | {"expires_at": expires_at, "last_at": seen.last_at.isoformat()}


def rule(seen: Rule) -> Json:
    return {"id": seen.id, "server": seen.server, "action": seen.action, "when": seen.when} | {
        "caught": seen.caught,
        "hit": seen.caught > 0,
    }

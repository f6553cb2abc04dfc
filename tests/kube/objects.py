"""Invented tokens and raw objects for the tests of the Kubernetes room."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]

GATEWAY = "gw1"
EXPIRY = datetime(2030, 1, 2, 3, 4, tzinfo=UTC)
NOW = datetime(2029, 12, 24, 12, 0, 0, 123456, tzinfo=UTC)


def token(gateway: str = GATEWAY, stamp: str = "203001020304", fill: bytes = b"x") -> str:
    """Return a text of a token's form; no key signed it."""
    return f"{gateway}&{stamp}&{b64encode(fill * 64).decode()}"


def encoded(text: str) -> str:
    return b64encode(text.encode()).decode()


def a_secret(annotations: dict[str, str] | None = None, **data: str) -> Json:
    """Return a Secret; the values are given in the clear, `__` in keys stands for a dot."""
    return {
        "metadata": {"name": "s", "resourceVersion": "7", "uid": "u-1", "annotations": annotations or {}},
        "data": {key.replace("__", "."): encoded(value) for key, value in data.items()},
    }


def a_pod(name: str, mark: str | None = None, **status: Any) -> Json:
    running = {"state": {"running": {"startedAt": "2029-12-24T11:00:00Z"}}, "ready": True}
    return {
        "metadata": {
            "name": name,
            "uid": f"uid-{name}",
            "creationTimestamp": "2029-12-24T10:59:00Z",
            "labels": {"pod-template-hash": "abc"},
            "annotations": {"apim-token-rotator/token": mark} if mark else {},
            "ownerReferences": [{"kind": "ReplicaSet", "name": "gw-abc", "uid": "rs", "controller": True}],
        },
        "spec": {"containers": [{"name": "gw", "envFrom": [{"secretRef": {"name": "s"}}]}]},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{"name": "gw", **running}],
        }
        | status,
    }


def a_workload(kind: str, status: Json, generation: int = 3, **spec: Any) -> Json:
    return {
        "kind": kind,
        "metadata": {"name": "gw", "uid": "w-uid", "resourceVersion": "9", "generation": generation},
        "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "gw"}}, "template": {}} | spec,
        "status": {"observedGeneration": generation} | status,
    }

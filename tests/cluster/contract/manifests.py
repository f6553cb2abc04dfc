"""Small objects for the contract tests."""

from __future__ import annotations

import base64
from typing import Any

from sandbox.cluster.pod_faults import FAULT
from tests.cluster.kubelet.nodes import selected

Json = dict[str, Any]
MARK = "apim-token-rotator/token"


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def secret(name: str = "s", **data: str) -> Json:
    return {
        "kind": "Secret",
        "metadata": {"name": name},
        "data": {key: b64(value) for key, value in (data or {"a": "one"}).items()},
    }


def workload(kind: str, name: str = "w", replicas: int = 2, **spec: object) -> Json:
    """A workload whose pods have one container; `spec` is merged into its own."""
    labels = {"app": name}
    template = {
        "metadata": {"labels": labels},
        "spec": {
            "containers": [{"name": "main", "image": "registry.invalid/main:1"}],
            "terminationGracePeriodSeconds": 1,
        },
    }
    whole: Json = {"selector": {"matchLabels": labels}, "template": template}
    if kind != "DaemonSet":
        whole["replicas"] = replicas
    if kind == "StatefulSet":
        whole["serviceName"] = name
    return selected({"kind": kind, "metadata": {"name": name}, "spec": whole | spec})


def marked(mark: str | None, fault: str | None = None) -> Json:
    """A patch that gives the template another mark, and its pods a behaviour."""
    notes = {MARK: mark, FAULT: fault}
    return {"spec": {"template": {"metadata": {"annotations": notes}}}}

"""Nodes without machines: registered, ready, and renewing their Leases."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.cluster.api import Api, ApiError, Json, path

FAKE = {"apim-token-rotator/fake-node": "true"}
"""Label of our nodes: pods of the tests select it, and stay off real ones."""
LEASES = "kube-node-lease"


def selected(manifest: Json) -> Json:
    """Have the pods of a workload run on our nodes only."""
    manifest["spec"]["template"]["spec"]["nodeSelector"] = FAKE
    return manifest


def now(*, micro: bool = False) -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ" if micro else "%Y-%m-%dT%H:%M:%SZ")


async def register(api: Api, name: str) -> None:
    labels = FAKE | {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}
    node = {"kind": "Node", "metadata": {"name": name, "labels": labels}, "spec": {}}
    try:
        await api.create(node)
    except ApiError as failure:
        if failure.status != 409:
            raise


async def heartbeat(api: Api, name: str) -> None:
    """Say that the node is well, and renew its Lease."""
    await api.ask(
        "PATCH", path("Node", "", name, "status"), {"status": _status()}, "application/merge-patch+json"
    )
    spec = {"holderIdentity": name, "leaseDurationSeconds": 3600, "renewTime": now(micro=True)}
    try:
        await api.patch("Lease", LEASES, name, {"spec": spec})
    except ApiError as failure:
        if failure.status != 404:
            raise
        await api.create({"kind": "Lease", "metadata": {"name": name}, "spec": spec}, LEASES)


def _status() -> Json:
    at = now()
    room = {"cpu": "64", "memory": "256Gi", "pods": "500", "ephemeral-storage": "500Gi"}

    def condition(kind: str, status: str) -> Json:
        times = {"lastHeartbeatTime": at, "lastTransitionTime": at}
        return {"type": kind, "status": status, "reason": "FakeKubelet", "message": "no machine"} | times

    return {
        "capacity": room,
        "allocatable": room,
        "conditions": [
            condition("Ready", "True"),
            condition("MemoryPressure", "False"),
            condition("DiskPressure", "False"),
            condition("PIDPressure", "False"),
        ],
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "nodeInfo": {
            "machineID": "fake",
            "systemUUID": "fake",
            "bootID": "fake",
            "kernelVersion": "none",
            "osImage": "none",
            "containerRuntimeVersion": "fake://1",
            "kubeletVersion": "v1.36.0",
            "kubeProxyVersion": "",
            "operatingSystem": "linux",
            "architecture": "amd64",
        },
    }

"""Gateways on the real cluster whose pods authenticate with the sandbox's Azure."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox import Sandbox
from sandbox.azure.keys import fingerprint
from sandbox.common import WORKLOADS
from sandbox.fleet import Deployed, find_token, render_manifest
from tests.cluster.contract.test_rollouts import rolled_out
from tests.cluster.kubelet.nodes import selected
from tests.cluster.world import World

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Order:
    """How a gateway is to be deployed. `days`: how long its first token still lives."""

    gateway: str
    layout: str = "how-to"
    kind: str = "Deployment"
    replicas: int = 2
    days: float = 3


async def deploy(world: World, sandbox: Sandbox, order: Order, namespace: str) -> Deployed:
    """Create the manifests of a layout and wait until the pods are ready."""
    azure = next(iter(sandbox.azure.named(order.gateway)), None)
    azure = azure or sandbox.azure.add_gateway(order.gateway)
    token = azure.mint("primary", datetime.now(UTC) + timedelta(days=order.days))
    documents = render_manifest(order.layout, azure, namespace, f"GatewayKey {token}")
    for document in documents:
        manifest = document if document["kind"] not in WORKLOADS else _workload(document, order)
        await world.apply(manifest, namespace)
        if document["kind"] in WORKLOADS:
            name = manifest["metadata"]["name"]
    await world.until(order.kind, namespace, name, lambda obj: rolled_out(order.kind, obj))
    secret, key = find_token(documents, token)
    return Deployed(azure, namespace, secret, key, f"{order.kind.lower()}/{name}", fingerprint(token))


def _workload(deployment: Json, order: Order) -> Json:
    """The Deployment of a layout as any kind, small enough for our nodes, on them only."""
    manifest = selected(copy.deepcopy(deployment))
    spec = manifest["spec"]
    for container in spec["template"]["spec"]["containers"]:
        container.pop("resources", None)
    spec["replicas"] = order.replicas
    manifest |= {"kind": order.kind, "apiVersion": "apps/v1"}
    if order.kind == "Deployment":
        spec["progressDeadlineSeconds"] = 3
    if order.kind != "Deployment":
        spec.pop("strategy", None)
    if order.kind == "StatefulSet":
        spec["serviceName"] = manifest["metadata"]["name"]
    if order.kind == "DaemonSet":
        del spec["replicas"]
    return manifest

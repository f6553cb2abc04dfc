"""Deploys gateways from the manifests that operators use: the how-to, the portal and the Helm chart."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from typing import Literal

from sandbox.azure.keys import Gateway, fingerprint
from sandbox.cluster import Cluster
from sandbox.cluster.manifests import parse
from sandbox.common import WORKLOADS, Json
from sandbox.names import HOME
from sandbox.world import Sandbox

Layout = Literal["how-to", "portal", "helm"]


@dataclass(frozen=True, slots=True)
class Deployed:
    """A gateway in one cluster: its Secret, the key with the token, and its workload ("deployment/x")."""

    gateway: Gateway
    namespace: str
    secret: str
    key: str
    workload: str
    token_fingerprint: str
    cluster: str = HOME


async def deploy(
    sandbox: Sandbox,
    layout: Layout,
    gateway: str,
    *,
    namespace: str,
    expires_at: datetime,
    replicas: int = 1,
    key: str = "primary",
    cluster: str = HOME,
) -> Deployed:
    """Deploy a gateway with a new token and wait until its pods are Ready.

    `expires_at` may lie in the past; its seconds are dropped. The gateway is created in Azure unless one with
    this name exists. `key` signs the token; the same expiry gives the same token. `cluster` is the name of a
    cluster of the sandbox. The Secret holds the token as the portal shows it, "GatewayKey {token}".
    Raises TimeoutError if the pods do not become Ready.
    """
    target = sandbox.clusters[cluster].cluster
    owner = next(iter(sandbox.azure.named(gateway)), None) or sandbox.azure.add_gateway(gateway)
    token = owner.mint(key, expires_at)
    documents = render_manifest(layout, owner, namespace, f"GatewayKey {token}")
    workload = next(document for document in documents if document["kind"] in WORKLOADS)
    workload["spec"]["replicas"] = replicas
    for document in documents:
        target.apply(document, manager="helm" if layout == "helm" else "kubectl")
    kind, name = workload["kind"], workload["metadata"]["name"]

    def ready(cluster: Cluster) -> bool:
        status = (cluster.get(kind, namespace, name) or {}).get("status", {})
        return int(status.get("readyReplicas", 0)) == replicas

    await target.wait_for(ready)
    secret, secret_key = find_token(documents, token)
    place = (namespace, secret, secret_key, f"{kind.lower()}/{name}")
    return Deployed(owner, *place, fingerprint(token), cluster)


async def deploy_everywhere(
    sandbox: Sandbox,
    layout: Layout,
    gateway: str,
    clusters: Iterable[str],
    *,
    namespace: str,
    expires_at: datetime,
    replicas: int = 1,
    key: str = "primary",
) -> list[Deployed]:
    """Deploy one gateway in several clusters with the same token; see `deploy`."""
    return [
        await deploy(
            sandbox,
            layout,
            gateway,
            namespace=namespace,
            expires_at=expires_at,
            replicas=replicas,
            key=key,
            cluster=cluster,
        )
        for cluster in clusters
    ]


def render_manifest(layout: Layout, gateway: Gateway, namespace: str, token: str) -> list[Json]:
    """Return the objects of the layout's manifest, with the gateway and its token filled in."""
    text = resources.files("sandbox").joinpath("manifests", f"{layout}.yaml").read_text()
    values = {
        "namespace-name": namespace,
        "service-name": gateway.service,
        "gateway-name": gateway.name,
        "configuration-token": token,
    }
    documents = parse(text, values)
    for document in documents:
        document["metadata"].setdefault("namespace", namespace)
    return documents


def find_token(documents: Iterable[Json], token: str) -> tuple[str, str]:
    """Return name and key of the Secret that holds the token."""
    for document in documents:
        if document["kind"] == "Secret":
            data = {key: base64.b64decode(value).decode() for key, value in document.get("data", {}).items()}
            for key, value in (data | document.get("stringData", {})).items():
                if token in value:
                    return document["metadata"]["name"], key
    raise LookupError("the manifest has no Secret with the placeholder <configuration-token>")

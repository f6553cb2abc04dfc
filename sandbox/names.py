"""What the clusters of the sandbox are called."""

from __future__ import annotations

HOME = "sandbox"
"""The first cluster, and its context in the kubeconfig."""


def server_of(cluster: str) -> str:
    """The name of a cluster's API in faults and journal: "kubernetes", "kubernetes:harbour" for another."""
    return "kubernetes" if cluster == HOME else f"kubernetes:{cluster}"

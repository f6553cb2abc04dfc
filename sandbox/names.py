"""Names of the clusters in the sandbox."""

from __future__ import annotations

HOME = "sandbox"
"""The first cluster, and its context in the kubeconfig."""


def server_of(cluster: str) -> str:
    """Return the name of a cluster's API in faults and journal: "kubernetes", or "kubernetes:harbour"."""
    return "kubernetes" if cluster == HOME else f"kubernetes:{cluster}"

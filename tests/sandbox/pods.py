"""Whether the pods of the how-to's gateway crash or are ready."""

from __future__ import annotations

from sandbox.cluster import Cluster


def crashing(cluster: Cluster) -> bool:
    statuses = [
        status for pod in cluster.list("Pod", "apim") for status in pod["status"].get("containerStatuses", [])
    ]
    return any(status["state"].get("waiting", {}).get("reason") == "CrashLoopBackOff" for status in statuses)


def ready(cluster: Cluster) -> bool:
    return cluster.get("Deployment", "apim", "apim-gateway")["status"].get("readyReplicas") == 1

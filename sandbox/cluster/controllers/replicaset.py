"""ReplicaSets: keep the wanted number of pods."""

from __future__ import annotations

from sandbox.cluster.controllers.common import Tools, deletion_rank, key_of, split_terminating, without_zeros
from sandbox.cluster.objects import is_ready, is_terminating
from sandbox.common import Json


def sync(tools: Tools, replica_set: Json) -> None:
    """Create or delete pods, then count them."""
    if not is_terminating(replica_set):
        _manage(tools, replica_set)
    _count(tools, replica_set)


def _manage(tools: Tools, replica_set: Json) -> None:
    active, _ = split_terminating(tools.pods_of(replica_set))
    wanted = replica_set["spec"]["replicas"]
    for _ in range(wanted - len(active)):
        tools.create_pod(replica_set, replica_set["spec"]["template"], labels={})
    surplus = len(active) - wanted
    if surplus > 0:
        for pod in sorted(active, key=deletion_rank)[:surplus]:
            tools.delete_pod(replica_set, pod)


def _count(tools: Tools, replica_set: Json) -> None:
    active, terminating = split_terminating(tools.pods_of(replica_set))
    delays = [tools.available_in(pod, replica_set["spec"].get("minReadySeconds", 0)) for pod in active]
    pending = [delay for delay in delays if delay]
    if pending:
        tools.again(key_of(replica_set), min(pending))
    status = {
        "replicas": len(active),
        "fullyLabeledReplicas": len(active),
        "readyReplicas": sum(is_ready(pod) for pod in active),
        "availableReplicas": sum(delay == 0 for delay in delays),
        "terminatingReplicas": len(terminating),
        "observedGeneration": replica_set["metadata"]["generation"],
    }
    tools.set_status(replica_set, without_zeros(status, "replicas", "terminatingReplicas"))

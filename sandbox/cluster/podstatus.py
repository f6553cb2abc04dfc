"""The status of a pod in each phase of its life."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sandbox.cluster.objects import is_ready, stamp, status_of, uid_of
from sandbox.common import Json


@dataclass(slots=True)
class Life:
    """What the kubelet keeps about one pod, which does not include its environment."""

    created: str
    address: str
    restarts: int = 0
    started: datetime | None = None
    last: Json = field(default_factory=dict)


def waiting(reason: str, message: str = "") -> Json:
    return {"waiting": {"reason": reason} | ({"message": message} if message else {})}


def running(life: Life) -> Json:
    return {"running": {"startedAt": stamp(life.started)}} if life.started else waiting("ContainerCreating")


def status(
    pod: Json, life: Life, state: Json, now: datetime, *, ready: bool = False, mounted: bool = True
) -> Json:
    """Return the whole `status` of a pod whose containers are all in `state`."""
    started = "running" in state
    phase = "Running" if started or life.restarts else "Pending"
    containers = [
        {
            "name": container["name"],
            "image": container["image"],
            "imageID": f"sandbox://{container['image']}" if life.started else "",
            "ready": ready,
            "started": started,
            "restartCount": life.restarts,
            "state": state,
            "lastState": life.last,
        }
        | ({"containerID": _container_id(pod, life, container)} if life.started else {})
        for container in pod["spec"]["containers"]
    ]
    result: Json = {
        "phase": phase,
        "qosClass": "BestEffort",
        "startTime": life.created,
        "hostIP": "127.0.0.1",
        "hostIPs": [{"ip": "127.0.0.1"}],
        "conditions": _conditions(pod, life, now, ready=ready, mounted=mounted),
        "containerStatuses": containers,
    }
    if life.started:
        result |= {"podIP": life.address, "podIPs": [{"ip": life.address}]}
    return result


def _container_id(pod: Json, life: Life, container: Json) -> str:
    return f"sandbox://{uid_of(pod)}-{container['name']}-{life.restarts}"


def _conditions(pod: Json, life: Life, now: datetime, *, ready: bool, mounted: bool) -> list[Json]:
    previous = next(
        (entry for entry in status_of(pod).get("conditions") or [] if entry["type"] == "Ready"), None
    )
    since = previous["lastTransitionTime"] if previous and is_ready(pod) == ready else stamp(now)
    names = ", ".join(container["name"] for container in pod["spec"]["containers"])
    why = (
        {}
        if ready
        else {"reason": "ContainersNotReady", "message": f"containers with unready status: [{names}]"}
    )

    def entry(kind: str, true: bool, at: str) -> Json:
        return {
            "type": kind,
            "status": "True" if true else "False",
            "lastProbeTime": None,
            "lastTransitionTime": at,
        }

    return [
        entry("PodReadyToStartContainers", mounted, life.created),
        entry("Initialized", True, life.created),
        entry("Ready", ready, since) | why,
        entry("ContainersReady", ready, since) | why,
        entry("PodScheduled", True, life.created),
    ]

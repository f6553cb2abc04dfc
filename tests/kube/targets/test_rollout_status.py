from __future__ import annotations

import pytest

from rotator.kube.targets.rollout_status import RolloutStatus, rollout_status
from tests.kube.objects import a_pod, a_workload

DONE = RolloutStatus(True, False, False, "")
FULL = {"replicas": 3, "updatedReplicas": 3, "availableReplicas": 3, "readyReplicas": 3}
DAEMONS = {"desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberAvailable": 2}
LATE = [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]
ROLLING = {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}
ON_DELETE = {"type": "OnDelete"}


def waits(workload, note: str, pods=()):
    state = rollout_status(workload, pods)
    assert not state.complete
    assert note in state.note
    return state


@pytest.mark.parametrize(
    "workload",
    [
        a_workload("Deployment", FULL),
        a_workload("StatefulSet", FULL, updateStrategy=ROLLING),
        a_workload("StatefulSet", FULL, updateStrategy=ON_DELETE),
        a_workload("DaemonSet", DAEMONS, updateStrategy={"type": "RollingUpdate"}),
    ],
)
def test_a_finished_rollout_is_complete(workload):
    assert rollout_status(workload, []) == DONE


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
def test_a_controller_that_has_not_seen_the_template_is_waited_for(kind):
    workload = a_workload(kind, FULL | DAEMONS | {"observedGeneration": 2, "conditions": LATE})
    assert not waits(workload, "has not seen it yet").failed


@pytest.mark.parametrize(
    ("status", "note"),
    [
        ({"updatedReplicas": 1}, "1 of 3 pods are new"),
        ({"replicas": 4}, "1 old pod to go"),
        ({"availableReplicas": 1}, "1 of 3 new pods ready"),
    ],
)
def test_a_deployment_waits_for(status, note):
    waits(a_workload("Deployment", FULL | status), note)


def test_pods_on_their_way_out_are_told_and_no_work_of_the_controllers():
    """Whether they still run the token before, the pods themselves say."""
    going = a_pod("old", "0123456789ab")
    going["metadata"]["deletionTimestamp"] = "2029-12-24T12:00:00Z"
    found = rollout_status(a_workload("Deployment", FULL | {"terminatingReplicas": 1}), [going])
    assert (found.complete, found.note) == (True, "1 pod terminating")


def test_a_deployment_past_its_progress_deadline_has_failed():
    workload = a_workload("Deployment", FULL | {"updatedReplicas": 1, "conditions": LATE})
    assert waits(workload, "exceeded its progress deadline").failed


def test_a_paused_deployment_with_a_new_template_says_so():
    assert not waits(a_workload("Deployment", FULL | {"updatedReplicas": 0}, paused=True), "paused").failed
    assert rollout_status(a_workload("Deployment", FULL, paused=True), []) == DONE


@pytest.mark.parametrize(
    ("status", "spec", "note"),
    [
        ({"readyReplicas": 2}, {"updateStrategy": ROLLING}, "2 of 3 pods ready"),
        ({"updatedReplicas": 2}, {"updateStrategy": ROLLING}, "2 of 3 pods are new"),
        (
            {"updatedReplicas": 1},
            {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}},
            "partition 2",
        ),
        ({"updatedReplicas": 0}, {"updateStrategy": ON_DELETE}, "delete its pods yourself"),
        ({"updateRevision": "b", "currentRevision": "a"}, {}, "not the current one yet"),
    ],
)
def test_a_stateful_set_waits_for(status, spec, note):
    waits(a_workload("StatefulSet", FULL | status, **spec), note)


def test_a_stateful_set_waits_for_pods_of_another_revision_where_kubectl_does_not():
    old = a_pod("gw-0")
    old["metadata"]["labels"]["controller-revision-hash"] = "gw-1"
    workload = a_workload("StatefulSet", FULL | {"updateRevision": "gw-2"}, updateStrategy=ROLLING)
    waits(workload, "1 pod of another revision", [old])


@pytest.mark.parametrize(
    ("status", "strategy", "note"),
    [
        ({"updatedNumberScheduled": 1}, {"type": "RollingUpdate"}, "1 of 2 pods are new"),
        ({"numberAvailable": 1}, {"type": "RollingUpdate"}, "1 of 2 pods ready"),
        ({"updatedNumberScheduled": 1}, ON_DELETE, "delete its pods yourself"),
    ],
)
def test_a_daemon_set_waits_for(status, strategy, note):
    waits(a_workload("DaemonSet", DAEMONS | status, updateStrategy=strategy), note)


@pytest.mark.parametrize(
    "workload",
    [
        a_workload("Deployment", {}, replicas=0),
        a_workload("StatefulSet", {}, replicas=0, updateStrategy=ROLLING),
        a_workload("DaemonSet", dict.fromkeys(DAEMONS, 0)),
    ],
)
def test_a_workload_that_is_meant_to_have_no_pods_is_idle(workload):
    assert rollout_status(workload, []) == RolloutStatus(True, False, True, "")


def waiting(reason: str):
    return [{"name": "gw", "state": {"waiting": {"reason": reason}}}]


@pytest.mark.parametrize(
    ("status", "note"),
    [
        ({"containerStatuses": waiting("CrashLoopBackOff")}, "p: CrashLoopBackOff"),
        ({"containerStatuses": waiting("ImagePullBackOff")}, "p: waiting for image (ImagePullBackOff)"),
        ({"initContainerStatuses": waiting("CreateContainerConfigError")}, "p: CreateContainerConfigError"),
        (
            {
                "containerStatuses": [],
                "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}],
            },
            "p: Unschedulable",
        ),
    ],
)
def test_the_note_says_why_pods_do_not_come_up(status, note):
    waits(a_workload("Deployment", FULL | {"availableReplicas": 2}), note, [a_pod("p", **status)])


def test_ordinary_waiting_is_no_trouble_and_many_troubles_are_counted():
    workload = a_workload("Deployment", FULL | {"availableReplicas": 0})
    creating = a_pod("p", containerStatuses=waiting("ContainerCreating"))
    assert rollout_status(workload, [creating]).note == "0 of 3 new pods ready"
    broken = [a_pod(f"p{number}", containerStatuses=waiting("CrashLoopBackOff")) for number in range(5)]
    assert rollout_status(workload, broken).note.endswith("p2: CrashLoopBackOff; 2 more")


def test_the_note_tells_new_pods_that_are_ready_from_those_that_are_not():
    template = {"metadata": {"annotations": {"apim-token-rotator/token": "0123456789ab"}}}
    pods = [a_pod("old"), a_pod("new", "0123456789ab", conditions=[])]
    state = rollout_status(a_workload("Deployment", FULL | {"updatedReplicas": 1}, template=template), pods)
    assert state.note == "1 of 3 pods are new; 0 of 1 new pods ready"

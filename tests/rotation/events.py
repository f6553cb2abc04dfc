"""What can happen to gateways, clusters and processes in the model: one word for one event."""

from __future__ import annotations

from enum import StrEnum


class Event(StrEnum):
    # a process
    CRASH = "crash"
    STOP = "stop"
    PAUSE = "pause"
    SECOND_RUN = "second run"
    LEASE_TAKEN_OVER = "lease taken over"
    # the answer to a call
    UNAVAILABLE = "unavailable"
    CONFLICT = "conflict"
    REFUSED = "refused"
    # what a run depends on; a second time ends it
    CLUSTER_UNREACHABLE = "cluster unreachable"
    TARGET_UNREACHABLE = "target unreachable"
    AZURE_UNREACHABLE = "azure unreachable"
    REGENERATION_REFUSED = "regeneration refused"
    WINDOW_CLOSED = "window closed"
    # another writer changes a Secret
    SECRET_SET_BACK = "secret set back"
    SECRET_OWNED = "secret set back for good"
    SECRET_NEWER = "secret newer"
    SECRET_REPLACED = "secret replaced"
    SECRET_EMPTIED = "secret emptied"
    SECRET_RELEASED = "secret set back no more"
    # a workload and its pods
    ROLLOUT_HANGS = "rollout hangs"
    ROLLOUT_FAILS = "rollout fails"
    ROLLOUT_RECOVERS = "rollout recovers"
    POD_RESTARTS = "pod restarts"
    POD_UNHEALTHY = "pod unhealthy"
    TEMPLATE_SET_BACK = "template set back"
    TEMPLATE_OWNED = "template set back for good"
    # a request, or a key
    ROTATION_REQUESTED = "rotation requested"
    LEAK_REPORTED = "leak reported"
    NEAR_EXPIRY = "near-expiry event"
    KEY_REGENERATED = "key regenerated"
    # everything answers again
    FAULTS_END = "faults end"

"""What is seen: Secrets, workloads and pods, gathered in one go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from rotator.core.records import Decision, Key, Record, Token


@dataclass(frozen=True, slots=True)
class MaintenanceWindow:
    """open: work that can wait may be done now. turns_at: when to ask again (UTC); None: nobody knows.

    why: what is closed, as people say it; empty while it is open.
    """

    open: bool = True
    turns_at: datetime | None = None
    why: str = ""


ALWAYS = MaintenanceWindow()


@dataclass(frozen=True, slots=True)
class Pod:
    name: str
    pod_token: str | None
    """The template token when the pod was created: its annotation `apim-token-rotator/token`."""
    started_at: datetime
    """When the first of its containers that read the Secret started."""
    works: bool
    """Ready, and the probe (where there is one) answered 200 with a body."""
    instance: str = ""
    """Tells this start of these containers from every other: a container reads the Secret anew."""
    leaving: bool = False
    """It was asked to end, and is on its way out."""


@dataclass(frozen=True, slots=True)
class Workload:
    """A Deployment, StatefulSet or DaemonSet whose pods read the Secret.

    complete: its controller has no more pods to create, replace or remove. idle: it is meant to
    have no pods. ordered: its controller waits for a pod that does not work instead of replacing
    it. restarts: how often we restarted it since counted_since, for the budget. note: a sentence
    about its rollout, for people.
    """

    name: str
    template_token: str | None
    """The fingerprint in the pod template's annotation `apim-token-rotator/token`; None: there is none."""
    restarted_at: datetime | None
    failed: bool
    pods: tuple[Pod, ...]
    version: str = ""
    complete: bool = True
    idle: bool = False
    ordered: bool = False
    restarts: int = 0
    counted_since: datetime | None = None
    note: str = ""

    @property
    def healthy(self) -> bool:
        """Whether all pods that are to stay work and are of its template. Those on their way out say nothing:
        they may take as long as their grace period, or for ever on a node that is gone.
        """
        if self.idle:
            return True
        staying = [p for p in self.pods if not p.leaving]
        return (
            self.complete
            and bool(staying)
            and all(p.works and p.pod_token == self.template_token for p in staying)
        )


@dataclass(frozen=True, slots=True)
class Request:
    """Somebody asked for a rotation. A Lamport stamp: later than the token it wants gone."""

    at: datetime
    leak: bool = False
    by: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """One Secret and its workloads, as seen just now.

    flaw: a sentence about something that keeps it from ever being proven, such as a workload
    that does not exist. prefixed: the value is written with `GatewayKey ` in front. writer: who
    wrote the value, if it was somebody else, as far as the object tells. troubled: a sentence about why
    no step is taken here for now; what it holds counts all the same.
    """

    name: str
    fingerprint: str | None
    expires_at: datetime | None
    record: Record | None
    workloads: tuple[Workload, ...]
    request: Request | None = None
    version: str = ""
    misconfiguration: str = ""
    prefixed: bool = True
    writer: str = ""
    excluded_because: str = ""

    @property
    def drifted(self) -> bool:
        """Whether somebody else replaced the value."""
        return self.record is not None and self.fingerprint != self.record.decision.token.fingerprint


@dataclass(frozen=True, slots=True)
class UnobservedTarget:
    """A target that could not be looked at, and why. transient: its cluster did not answer, which passes;
    else somebody has to change something.
    """

    name: str
    why: str
    transient: bool = False


@dataclass(frozen=True, slots=True)
class Observation:
    """Everything a decision may look at, gathered in one go.

    signers tells who signs a fingerprint today: a key, or None for nobody (it is dead); a
    fingerprint that is absent could not be asked about. lease is the version of the gateway's
    Lease that goes with it: who takes the Lease at that version knows that nobody acted since.
    remembered: the Lease's copy of the condemned keys, which outlives a replaced Secret.
    """

    targets: tuple[Target, ...]
    unreachable: tuple[UnobservedTarget, ...] = ()
    signers: Mapping[str, Key | None] = field(default_factory=dict)
    restores: int = 0
    last_restored_at: datetime | None = None
    window: MaintenanceWindow = ALWAYS
    lease: str | None = None
    remembered: frozenset[Key] = frozenset()

    def dead(self, token: Token) -> bool:
        return token.fingerprint in self.signers and self.signers[token.fingerprint] is None

    def key(self, token: Token) -> Key | None:
        return self.signers.get(token.fingerprint) or token.key

    @property
    def workable(self) -> tuple[Target, ...]:
        """The targets at which steps may be taken."""
        return tuple(t for t in self.targets if not t.excluded_because)

    @property
    def condemned(self) -> frozenset[Key]:
        """The keys that end as soon as nobody needs them: one of their tokens leaked."""
        return self.remembered | (self.current.condemned if self.current else frozenset())

    @property
    def current(self) -> Decision | None:
        """The decision that every target shall follow."""
        return max((t.record.decision for t in self.targets if t.record), key=lambda d: d.order, default=None)

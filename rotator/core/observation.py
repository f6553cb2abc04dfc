"""What one look at a gateway finds: its Secrets, workloads, pods and Lease."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from rotator.core.records import Decision, Key, Record, Token


@dataclass(frozen=True, slots=True)
class MaintenanceWindow:
    """open: steps that can wait may be taken now. turns_at: when this changes (UTC); None: it is not known.

    why: a sentence about what is closed; empty while it is open.
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
    """It is ready."""
    instance: str = ""
    """Identifies this start of its containers: each container reads the Secret when it starts."""
    terminating: bool = False
    """It is being terminated."""


@dataclass(frozen=True, slots=True)
class Workload:
    """A Deployment, StatefulSet or DaemonSet whose pods read the Secret.

    complete: its controller has no more pods to create, replace or remove. idle: it is scaled to
    zero. ordered: its controller waits for a pod that does not work instead of replacing it.
    restarts: how often the rotator restarted it since counted_since. note: a sentence about its
    rollout.
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
        """Whether all pods work and are of its template. Pods that are being terminated do not count:
        they may take their whole grace period, or stay for ever on a node that is gone.
        """
        if self.idle:
            return True
        staying = [p for p in self.pods if not p.terminating]
        return (
            self.complete
            and bool(staying)
            and all(p.works and p.pod_token == self.template_token for p in staying)
        )


@dataclass(frozen=True, slots=True)
class Request:
    """A wish for a new token. at is a Lamport stamp: later than the issue of the token it wants replaced."""

    at: datetime
    leak: bool = False
    by: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """One Secret and the workloads that read it.

    misconfiguration: a sentence about what keeps it from ever being verified, such as a workload
    that does not exist. prefixed: the value is written with `GatewayKey ` in front. writer: the
    field manager that wrote the value, if it was not the rotator and the object tells.
    excluded_because: a sentence about why no step is taken here in this run; the token that it
    holds still counts.
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
    def token(self) -> Token | None:
        """The token that the record is about; the value in place may be another."""
        return self.record.decision.token if self.record else None

    @property
    def previous_token(self) -> Token | None:
        """The last token that its pods were proven to run before this one."""
        return self.record.previous.token if self.record and self.record.previous else None

    @property
    def restored_at(self) -> datetime | None:
        return self.record.restored_at if self.record else None

    @property
    def verified_at(self) -> datetime | None:
        return self.record.verified_at if self.record else None

    @property
    def drifted(self) -> bool:
        """Whether another writer replaced the value."""
        return self.token is not None and self.fingerprint != self.token.fingerprint

    @property
    def adopted(self) -> bool:
        """Whether its token was found in place, so that pod templates do not name it."""
        return self.token is not None and self.token.template_token is None

    @property
    def stale_workloads(self) -> tuple[Workload, ...]:
        """The workloads whose pod template does not name the token of the record."""
        if (token := self.token) is None:
            return ()
        return tuple(w for w in self.workloads if w.template_token != token.template_token)

    @property
    def healthy(self) -> bool:
        return all(w.healthy for w in self.workloads)


@dataclass(frozen=True, slots=True)
class UnobservedTarget:
    """A target that could not be observed, and why. transient: its cluster did not answer, which passes
    by itself; otherwise the operator has to change something.
    """

    name: str
    why: str
    transient: bool = False


@dataclass(frozen=True, slots=True)
class Observation:
    """Everything that one look at a gateway found.

    signers: by fingerprint, the key that signs it today, or None: the token is dead. A fingerprint
    that is absent could not be asked about. lease: the version of the gateway's Lease. A process
    that takes the Lease at this version knows that no other process acted since the look.
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
        """Whether Azure says that neither key signs it: its key was regenerated."""
        return token.fingerprint in self.signers and self.signers[token.fingerprint] is None

    def key(self, token: Token) -> Key | None:
        """Return the key that signed it: as Azure says, or else as the record says."""
        return self.signers.get(token.fingerprint) or token.key

    @property
    def workable(self) -> tuple[Target, ...]:
        """The targets at which steps may be taken in this run."""
        return tuple(t for t in self.targets if not t.excluded_because)

    @property
    def condemned(self) -> frozenset[Key]:
        """The keys of which a token leaked. They are regenerated as soon as no pod needs them."""
        return self.remembered | (self.current.condemned if self.current else frozenset())

    @property
    def current(self) -> Decision | None:
        """The decision that every target follows."""
        return max((t.record.decision for t in self.targets if t.record), key=lambda d: d.order, default=None)

"""Where a test kills a rotator process: right before or right after the server acts on a named call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sandbox.faults import Faults, Rule

When = Literal["before", "after"]
SECRET, LEASE, WORKLOAD = "/secrets/", "/leases/", "/deployments/"


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a rotation. `skip`: how many calls to the same path come before it."""

    name: str
    server: Literal["kubernetes", "arm"]
    path: str
    skip: int = 0


ROTATION = [
    Call("note_request", "kubernetes", SECRET, 0),
    Call("take_lease", "kubernetes", LEASE, 0),
    Call("issue", "arm", "generateToken", 0),
    Call("write_secret", "kubernetes", SECRET, 1),
    Call("restart", "kubernetes", WORKLOAD, 0),
    Call("verify", "kubernetes", SECRET, 2),
    Call("release_lease", "kubernetes", LEASE, 1),
]
REVOCATION = [
    Call("take_lease_to_revoke", "kubernetes", LEASE, 2),
    Call("ask_signers", "arm", "generateToken", 1),
    Call("regenerate", "arm", "regenerateKey", 0),
    Call("release_lease_after_revocation", "kubernetes", LEASE, 3),
]
ROLL_BACK = [
    Call("roll_back", "kubernetes", SECRET, 2),
    Call("restore_template", "kubernetes", WORKLOAD, 1),
    Call("release_lease_after_roll_back", "kubernetes", LEASE, 1),
]
ADOPTION = [
    Call("adopt", "kubernetes", SECRET),
    Call("issue_after_adoption", "arm", "generateToken", 1),
]
"""Counted from the start of a process: Azure is asked about the adopted token first."""
CALLS = {call.name: call for call in [*ROTATION, *REVOCATION, *ROLL_BACK, *ADOPTION]}


@dataclass(frozen=True, slots=True)
class CrashPoint:
    call: Call
    when: When

    def __str__(self) -> str:
        return f"{self.when} {self.call.name}"

    @property
    def in_roll_back(self) -> bool:
        return self.call in ROLL_BACK

    def hold(self, faults: Faults) -> Rule:
        """Hold the call; `hit()` of what is returned waits until the process has come to it."""
        return faults.add(
            server=self.call.server,
            method="POST" if self.call.server == "arm" else "PATCH",
            path=self.call.path,
            skip=self.call.skip,
            when=self.when,
            action="hang",
        )


def crash_before(name: str) -> CrashPoint:
    return CrashPoint(CALLS[name], "before")


def crash_after(name: str) -> CrashPoint:
    return CrashPoint(CALLS[name], "after")


def crash_around(calls: list[Call]) -> list[CrashPoint]:
    """Before each call, and after it."""
    return [crash(call.name) for call in calls for crash in (crash_before, crash_after)]

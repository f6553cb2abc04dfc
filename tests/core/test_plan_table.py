"""The plan as a table: an observation, the step that follows from it, and its reason.

The model in `tests/rotation` proves that the steps together keep every promise; this table tells them one by one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from rotator.core.messages import explain
from rotator.core.observation import (
    MaintenanceWindow,
    Observation,
    Pod,
    Request,
    Target,
    UnobservedTarget,
    Workload,
)
from rotator.core.plan import CHECKS, next_step
from rotator.core.policy import Policy
from rotator.core.records import Decision, Key, Proven, Reason, Record, Revocation, Token
from rotator.core.situation import Situation
from rotator.core.steps import Rest
from tests.rotation.dsl import DAY, HOUR, MINUTE
from tests.world import START

NOW = START + DAY
NEVER, AFTER_VERIFY = Policy(), Policy(revoke=Revocation.AFTER_VERIFY, revoke_after=HOUR)
CLOSED = MaintenanceWindow(False, None, "outside its maintenance windows")
NEW = Token("new", Key.PRIMARY, START, START + 29 * DAY, "new")
OLD = Token("old", Key.SECONDARY, START - 15 * DAY, START + 14 * DAY, "old")


def workload(
    names: Token = NEW, runs: Token = NEW, works: bool = True, restarted: timedelta = HOUR
) -> Workload:
    """A Deployment whose template names one token and whose pod runs another, restarted so long ago."""
    at = NOW - restarted
    pod = Pod("pod", runs.template_token, at, works, instance="pod/1")
    return Workload("deployment/gw", names.template_token, at, failed=False, pods=(pod,))


def target(follows: Token = NEW, revision: int = 2, verified: bool = True, name: str = "t0") -> Target:
    """A target at rest: its Secret holds the token that it follows, and its pod runs it."""
    verified_at = NOW - HOUR if verified else None
    record = Record(Decision(revision, follows), None, verified_at, Proven(OLD, START - 14 * DAY))
    load = workload(follows, follows)
    return Target(name, follows.fingerprint, follows.expires_at, record, (load,))


def observing(*targets: Target) -> Observation:
    return Observation(targets, signers={"new": Key.PRIMARY, "old": Key.SECONDARY, "other": Key.SECONDARY})


def with_decision(decision: Decision) -> Target:
    old = target()
    assert old.record
    return replace(old, record=replace(old.record, decision=decision))


def restored(ago: timedelta) -> Target:
    """A target whose token was restored so long ago, after another writer had replaced it."""
    old = target()
    assert old.record
    record = replace(old.record, restored_at=NOW - ago, verified_at=None)
    return replace(old, record=record)


AT_REST = target()
ROLLING = replace(target(verified=False), workloads=(workload(works=False, restarted=MINUTE),))
FAILED = replace(ROLLING, workloads=(workload(works=False, restarted=HOUR),))
TO_RESTART = replace(target(verified=False), workloads=(workload(OLD, OLD),))
BLOCKED = replace(
    target(verified=False),
    workloads=(replace(workload(runs=OLD, works=False, restarted=2 * MINUTE), ordered=True),),
)
DRIFTED = replace(AT_REST, fingerprint="other", expires_at=START + 20 * DAY)
OUTLIVED = replace(AT_REST, fingerprint="other", expires_at=START + 40 * DAY)
UNKNOWN = replace(AT_REST, record=None)
EMPTY = replace(UNKNOWN, fingerprint=None, expires_at=None)
REQUESTED = replace(AT_REST, request=Request(NOW))
LEAKED = replace(REQUESTED, request=Request(NOW, leak=True))
ROLLED_BACK = Decision(3, NEW, failures=1, retry_at=NOW + HOUR)


@dataclass(frozen=True)
class Row:
    """What is observed, in words and as data; the step, and its reason."""

    words: str
    observation: Observation
    step: str
    policy: Policy = NEVER
    after: timedelta = timedelta()


TABLE = [
    Row("a live token has no record", observing(UNKNOWN), "Adopt: Adopted"),
    Row("another writer put a token that expires later", observing(OUTLIVED), "Adopt: Adopted"),
    Row(
        "a token of the other key leaked, and no pod uses that key",
        replace(observing(AT_REST), remembered=frozenset({Key.SECONDARY})),
        "Revoke: Superseded",
    ),
    Row("no target holds a token", observing(EMPTY), "Issue: Missing"),
    Row("the token expired", observing(AT_REST), "Issue: Expired", after=28 * DAY),
    Row(
        "the key of the token was regenerated",
        replace(observing(AT_REST), signers={"new": None}),
        "Issue: Revoked",
    ),
    Row("the token expires within renew_before", observing(AT_REST), "Issue: NearingExpiry", after=19 * DAY),
    Row("a new token is requested", observing(REQUESTED), "Issue: Requested"),
    Row(
        "a token of the same key leaked",
        replace(observing(AT_REST), remembered=frozenset({Key.PRIMARY})),
        "Issue: Condemned",
    ),
    Row(
        "a leak is reported outside the maintenance windows",
        replace(observing(LEAKED), window=CLOSED),
        "Issue: Requested",
    ),
    Row(
        "the token expires within panic_before, outside the maintenance windows",
        replace(observing(AT_REST), window=CLOSED),
        "Issue: NearingExpiry",
        after=27 * DAY,
    ),
    Row(
        "a target follows an older decision",
        observing(AT_REST, target(OLD, revision=1, name="t1")),
        "Write: Lagging",
    ),
    Row("a target joins without a token", observing(AT_REST, replace(EMPTY, name="t1")), "Write: Lagging"),
    Row("another writer put an older token", observing(DRIFTED), "Write: Drifted"),
    Row("pods run the previous token", observing(TO_RESTART), "Restart: Outdated"),
    Row(
        "pods run the previous token, outside the maintenance windows",
        replace(observing(TO_RESTART), window=CLOSED),
        "Rest: Held",
    ),
    Row(
        "another target is rolling over",
        observing(ROLLING, replace(TO_RESTART, name="t1")),
        "Await: RollingOut",
    ),
    Row("pods did not come up within rollout_timeout", observing(FAILED), "RollBack: RolloutFailed"),
    Row(
        "pods did not come up, and their previous token expired",
        observing(FAILED),
        "Rest: Unsettled",
        after=14 * DAY,
    ),
    Row("a pod started before its token was restored", observing(restored(10 * MINUTE)), "Replace: Suspect"),
    Row("a pod of the old template blocks its StatefulSet", observing(BLOCKED), "Replace: Suspect"),
    Row("a token was restored a moment ago", observing(restored(MINUTE)), "Await: RollingOut"),
    Row("pods are on their way to the token", observing(ROLLING), "Await: RollingOut"),
    Row("every pod came up with the token", observing(target(verified=False)), "Verify: Proven"),
    Row(
        "every pod has run the token for revoke_after",
        observing(AT_REST),
        "Revoke: Superseded",
        policy=AFTER_VERIFY,
    ),
    Row("every pod is proven to run the token", observing(AT_REST), "Rest: Settled"),
    Row(
        "a target does not answer",
        replace(observing(AT_REST), unreachable=(UnobservedTarget("t1", "no answer", transient=True),)),
        "Rest: Unsettled",
    ),
    Row(
        "a workload of the target does not exist",
        observing(replace(AT_REST, misconfiguration="deployment/gw does not exist")),
        "Rest: Unsettled",
    ),
    Row(
        "a new token is requested outside the maintenance windows",
        replace(observing(REQUESTED), window=CLOSED),
        "Rest: Held",
    ),
    Row(
        "another writer changed the token back six times",
        replace(observing(DRIFTED), restores=6, last_restored_at=NOW - HOUR),
        "Rest: Fighting",
    ),
    Row(
        "six restores, and a new token is requested",
        replace(observing(REQUESTED), restores=6, last_restored_at=NOW - HOUR),
        "Rest: Fighting",
    ),
    Row(
        "the previous token is back after a failed rollout",
        observing(with_decision(ROLLED_BACK)),
        "Rest: RolledBack",
    ),
]


def situation_of(row: Row) -> Situation:
    return Situation(row.observation, row.policy, NOW + row.after)


@pytest.mark.parametrize("row", TABLE, ids=[row.words for row in TABLE])
def test_the_plan_takes_the_step_of_the_table(row: Row) -> None:
    step = next_step(situation_of(row))
    assert f"{type(step).__name__}: {explain(step, situation_of(row)).reason}" == row.step


def test_every_check_and_every_reason_to_rest_has_a_row() -> None:
    situations = [situation_of(row) for row in TABLE]
    decisive = {next((check for check in CHECKS if check(s)), None) for s in situations}
    assert decisive == {*CHECKS, None}
    rests = {step.reason for s in situations if isinstance(step := next_step(s), Rest)}
    assert rests == {Reason.SETTLED, Reason.UNSETTLED, Reason.HELD, Reason.FIGHTING, Reason.ROLLED_BACK}

"""What must be true of an estate, whatever happens: the invariants, as far as a model can tell.

I1 (no token dies while somebody holds it, none is written that we revoked) is asserted by the
model at every call. See tests/actor.py.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from rotator.core.plan import next_step
from rotator.core.records import Reason, Revocation
from rotator.core.renewal import renewal_time
from rotator.core.steps import Issue, Rest
from rotator.rotation import look, rotate
from tests.rotation.model_fleet import DAY, HOUR, Estate
from tests.world import Target, World, drive

MANY_RESTARTS = 12
"""Two full budgets may touch: the end of one hour and the beginning of the next."""
RESTORES_BEFORE_CONFLICT = 8
"""Six until the breaker, one after a day, one for clocks that differ."""


def kept(estate: Estate) -> None:
    """What holds at every moment."""
    for j, w in enumerate(estate.worlds):
        assert w.effects_without_lease == [], f"I6: effects without the lease: {w.effects_without_lease}"
        few_restarts(w)
        most = crowded(w.restore_times, DAY)
        assert most <= RESTORES_BEFORE_CONFLICT, f"{most} repairs within a day"
        one_rotation_per_complaint(w)
        if estate.gateways[j].policy.revoke is Revocation.NEVER and j not in estate.meddler.leaks:
            assert not w.revoked, f"regenerated for nothing: {w.revoked}"


def few_restarts(w: World) -> None:
    for name in {name for name, _ in w.restart_times}:
        most = crowded([at for n, at in w.restart_times if n == name], HOUR)
        assert most <= MANY_RESTARTS, f"{most} restarts of {name} within an hour"


def crowded(times: list[datetime], span: timedelta) -> int:
    """Return how many of times (ascending) lie within one span at most."""
    return max((sum(a <= b < a + span for b in times[i:]) for i, a in enumerate(times)), default=0)


def one_rotation_per_complaint(w: World) -> None:
    """I4: a decision that was complained about is replaced once, unless a stranger takes our notes away."""
    for revision, token in {(r, t) for r, t, _ in w.requested}:
        times = len({d for r, t, d in w.requested if (r, t) == (revision, token)})
        assert times <= 1 or w.annotations_lost, f"I4: {token} was replaced {times} times"


def calm(estate: Estate, j: int) -> bool:
    """Whether gateway j is at rest and has reason to be, as a process that knows nothing sees it."""
    w, gw = estate.worlds[j], estate.gateways[j]
    if not w.azure or any(not c.reachable or c.owned for c in w.targets.values()):
        return False
    seen = drive(look(gw, w.process()))
    step = next_step(seen, gw.policy, w.now)
    soon = seen.current is None or renewal_time(seen, gw.policy) < w.now + HOUR
    return isinstance(step, Rest) and step.reason is Reason.SETTLED and not soon and not seen.condemned


def undisturbed(estate: Estate, j: int, skew: timedelta) -> None:
    """I5: a process that starts on a fleet at rest issues nothing and restarts nothing."""
    w = estate.worlds[j]
    before = len(w.history), len(w.restart_times), len(w.revoked)
    issues = sum(isinstance(a, Issue) for a in w.steps)
    if not (w.leader and w.leader[1] > w.now):
        drive(rotate(estate.gateways[j], w.process(skew)))
    assert (len(w.history), len(w.restart_times), len(w.revoked)) == before, "I5: a fail-over did something"
    assert sum(isinstance(a, Issue) for a in w.steps) == issues, "I5: a fail-over issued"


def unexpired(estate: Estate, j: int) -> None:
    """I2: with everything answering for days and a run a day, no token in force is left to expire."""
    w = estate.worlds[j]
    records = [c.record for c in w.targets.values() if c.record]
    current = max((r.decision for r in records), key=lambda d: d.order, default=None)
    if current:
        assert current.token.expires_at > w.now, f"I2: {current.token} expired"
    for name, c in w.targets.items():
        meddled = c.owned is not None or any(d.owned or d.stuck or d.failed for d in c.workloads.values())
        if meddled:
            continue
        assert w.expiry(c.value) > w.now, f"I2: the token in {name} expired"
        for d in c.workloads.values():
            for p in d.pods if told(estate, j, c) else ():
                assert w.expiry(p.token) > w.now, f"I2: {p.name} runs an expired token"


def told(estate: Estate, j: int, c: Target) -> bool:
    """Whether we gave its pods their token, or may replace those that may have read another. Whoever gives
    pods a token by hand, before we ever did, restarts them: adopting never does.
    """
    r = c.record
    if r is None or r.decision.token.mark is not None:
        return True
    return r.restored_at is not None and estate.gateways[j].policy.replace_pods


def at_rest(estate: Estate, j: int) -> None:
    """I3: one good token in every Secret and every pod, and the plan has nothing to add."""
    w, gw = estate.worlds[j], estate.gateways[j]
    seen = drive(look(gw, w.process()))
    step = next_step(seen, gw.policy, w.now)
    assert isinstance(step, Rest), f"I3: {step}"
    assert len({c.value for c in w.targets.values()}) == 1, {n: c.value for n, c in w.targets.items()}
    for who, token in w.tokens_in_use():
        assert w.usable(token), f"I3: {who} holds {token}"
    for name, c in w.targets.items():
        assert c.record, name
        assert c.record.decision.token.fingerprint == c.value, name
        assert c.record.verified, (name, c.record)
        for d in c.workloads.values():
            assert d.pods, name
            assert [p for p in d.pods if p.token != c.value] == [], name
    if w.deterministic:
        assert not seen.condemned, "a leaked key is still alive"

"""What tests tell stories with: a fleet, a run, a wish, and what must be true at the end."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from rotator.core.messages import explain
from rotator.core.observation import Observation
from rotator.core.plan import next_step
from rotator.core.policy import Policy
from rotator.core.records import Key, Reason, Revocation
from rotator.core.steps import Rest, RollBack
from rotator.errors import Busy, LeaseLost, Unavailable
from rotator.rotation import Gateway, Noted, Ports, look, request, rotate
from tests.world import LEASE, Crash, World, count, drive

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)

GW = Gateway("gw", Policy())


def gateway(revoke: Revocation = Revocation.NEVER) -> Gateway:
    return Gateway("gw", Policy(revoke=revoke))


def fleet(
    targets: int = 1,
    workloads: int = 1,
    key: Key = Key.SECONDARY,
    life: timedelta = 29 * DAY,
    deterministic: bool = True,
) -> World:
    w = World(deterministic=deterministic)
    value = w.mint(key, w.now + life)
    for i in range(targets):
        w.boot(f"t{i}", value, workloads)
    return w


def run(w: World, gw: Gateway = GW) -> Rest | None:
    with suppress(Crash, Busy, LeaseLost, Unavailable):
        return drive(rotate(replace(gw, hours=w.hours), w.process())).rest
    return None


def ask(w: World, *, leak: bool = False, expires_at: datetime | None = None, anew: bool = False) -> Noted:
    return note(w.process(), leak=leak, expires_at=expires_at, anew=anew)


def note(p: Ports, *, leak: bool = False, expires_at: datetime | None = None, anew: bool = False) -> Noted:
    return drive(request(p.fleet, p.clock, leak=leak, expires_at=expires_at, anew=anew))


def kinds(w: World) -> list[str]:
    names = [type(s).__name__ for s in w.acts]
    return [n for i, n in enumerate(names) if n != "Await" and (i == 0 or names[i - 1] != n)]


def at_rest(w: World, gw: Gateway) -> None:
    """All targets hold one good token that every pod runs, and the plan says so."""
    seen = drive(look(replace(gw, hours=w.hours), w.process()))
    step = next_step(seen, gw.policy, w.now)
    assert isinstance(step, Rest), step
    assert len({c.value for c in w.clusters.values()}) == 1, {n: c.value for n, c in w.clusters.items()}
    for who, token in w.held():
        assert w.usable(token), (who, token, w.now)
    for c in w.clusters.values():
        assert c.record and c.record.decision.token.fingerprint == c.value
        if not c.record.decision.token.adopted:
            assert c.record.verified, c.record
            for d in c.workloads.values():
                assert [p for p in d.pods if p.token != c.value] == []


def heal(w: World) -> None:
    w.schedule, w.azure, w.open_window = {}, True, True
    for c in w.clusters.values():
        c.reachable = True
        for d in c.workloads.values():
            d.stuck = False


def settle(w: World, gw: Gateway) -> None:
    """The world behaves from now on: daily runs, for as long as back-offs may last."""
    heal(w)
    w.pass_time(LEASE)
    for _ in range(6):
        run(w, gw)
        w.pass_time(DAY)
    run(w, gw)


def rotated(
    revoke: Revocation = Revocation.NEVER, targets: int = 1, workloads: int = 1
) -> tuple[World, Gateway]:
    w, gw = fleet(targets, workloads), gateway(revoke)
    run(w, gw)
    ask(w)
    run(w, gw)
    at_rest(w, gw)
    w.acts.clear()
    w.restarts.clear()
    w.pass_time(HOUR)
    return w, gw


def seen_in(w: World) -> Observation:
    return drive(look(w.gateway(Policy()), w.process()))


def said_at_rest(w: World, gw: Gateway = GW) -> tuple[Reason, str]:
    seen = drive(look(replace(gw, hours=w.hours), w.process()))
    step = run(w, gw)
    assert step is not None
    return step.reason, explain(step, seen, gw.policy, w.now).text


def fails_once(w: World, gw: Gateway) -> None:
    w.clusters["t0"].workloads["w0"].stuck = True
    ask(w)
    run(w, gw)
    assert count(w, RollBack) == 1
    w.pass_time(5 * MINUTE)


def crash() -> None:
    raise Crash


def tokens(w: World, name: str) -> set[str]:
    return {p.token for d in w.clusters[name].workloads.values() for p in d.pods}

"""The language of the model's tests: a fleet, a run, a request, and what must be true at the end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from rotator.core.messages import explain
from rotator.core.observation import Observation
from rotator.core.plan import next_step
from rotator.core.policy import Policy
from rotator.core.records import Key, Reason, Revocation
from rotator.core.situation import Situation
from rotator.core.steps import Rest, RollBack
from rotator.errors import Busy, LeaseLost, Unavailable
from rotator.rotation import Gateway, Noted, Ports, observe, request, rotate
from tests.actor import Process
from tests.world import LEASE, Crash, World, count, drive

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)

GATEWAY = Gateway("gw", Policy())


def gateway_with(revoke: Revocation = Revocation.NEVER) -> Gateway:
    return Gateway("gw", Policy(revoke=revoke))


def fleet(
    targets: int = 1,
    workloads: int = 1,
    key: Key = Key.SECONDARY,
    life: timedelta = 29 * DAY,
    deterministic: bool = True,
) -> World:
    world = World(deterministic=deterministic)
    value = world.mint(key, world.now + life)
    for i in range(targets):
        world.deploy(f"t{i}", value, workloads)
    return world


def run(world: World, gateway: Gateway = GATEWAY) -> Rest | None:
    with suppress(Crash, Busy, LeaseLost, Unavailable):
        return drive(rotate(replace(gateway, window=world.window), world.process())).rest
    return None


def request_rotation(
    world: World, *, leak: bool = False, expires_at: datetime | None = None, anew: bool = False
) -> Noted:
    return request_by(world.process(), leak=leak, expires_at=expires_at, anew=anew)


def request_by(
    ports: Ports, *, leak: bool = False, expires_at: datetime | None = None, anew: bool = False
) -> Noted:
    return drive(request(ports.store, ports.clock, leak=leak, expires_at=expires_at, anew=anew))


def step_names(world: World) -> list[str]:
    names = [type(step).__name__ for step in world.steps]
    return [n for i, n in enumerate(names) if n != "Await" and (i == 0 or names[i - 1] != n)]


def at_rest(world: World, gateway: Gateway) -> None:
    """All targets hold one good token that every pod runs, and the plan says so."""
    seen = drive(observe(replace(gateway, window=world.window), world.process()))
    step = next_step(Situation(seen, gateway.policy, world.now))
    assert isinstance(step, Rest), step
    assert len({target.value for target in world.targets.values()}) == 1, {
        n: target.value for n, target in world.targets.items()
    }
    for who, token in world.tokens_in_use():
        assert world.usable(token), (who, token, world.now)
    for target in world.targets.values():
        assert target.record and target.record.decision.token.fingerprint == target.value
        if not target.record.decision.token.adopted:
            assert target.record.verified, target.record
            for workload in target.workloads.values():
                assert [pod for pod in workload.pods if pod.token != target.value] == []


def end_faults(world: World) -> None:
    world.schedule, world.azure, world.open_window = {}, True, True
    for target in world.targets.values():
        target.reachable = True
        for workload in target.workloads.values():
            workload.stuck = False


def settle(world: World, gateway: Gateway) -> None:
    """End all faults and run daily, for as long as back-offs may last."""
    end_faults(world)
    world.pass_time(LEASE)
    for _ in range(6):
        run(world, gateway)
        world.pass_time(DAY)
    run(world, gateway)


def rotated(
    revoke: Revocation = Revocation.NEVER, targets: int = 1, workloads: int = 1
) -> tuple[World, Gateway]:
    world, gateway = fleet(targets, workloads), gateway_with(revoke)
    run(world, gateway)
    request_rotation(world)
    run(world, gateway)
    at_rest(world, gateway)
    world.steps.clear()
    world.restarts.clear()
    world.pass_time(HOUR)
    return world, gateway


def observed(world: World) -> Observation:
    return drive(observe(world.gateway(Policy()), world.process()))


def reason_at_rest(world: World, gateway: Gateway = GATEWAY) -> tuple[Reason, str]:
    seen = drive(observe(replace(gateway, window=world.window), world.process()))
    step = run(world, gateway)
    assert step is not None
    return step.reason, explain(step, Situation(seen, gateway.policy, world.now)).text


def rollout_fails_once(world: World, gateway: Gateway) -> None:
    world.targets["t0"].workloads["w0"].stuck = True
    request_rotation(world)
    run(world, gateway)
    assert count(world, RollBack) == 1
    world.pass_time(5 * MINUTE)


AtCall = Callable[[Process, str, bool], None]


def once(call: str, do: Callable[[], None], *, after: bool) -> AtCall:
    """For `World.at_call`: act once, at the first call of this name."""
    left = [do]

    def act(_: Process, name: str, ended: bool) -> None:
        if (name, ended) == (call, after) and left:
            left.pop()()

    return act


def before(call: str, do: Callable[[], None]) -> AtCall:
    return once(call, do, after=False)


def after(call: str, do: Callable[[], None]) -> AtCall:
    return once(call, do, after=True)


def crash_before(call: str) -> AtCall:
    return before(call, crash)


def crash_after(call: str) -> AtCall:
    return after(call, crash)


def crash() -> None:
    raise Crash


def tokens(world: World, name: str) -> set[str]:
    return {pod.token for workload in world.targets[name].workloads.values() for pod in workload.pods}

"""A key is regenerated only when that is configured or requested, no target can need it, and the Lease is sure to last."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest

from rotator.core.records import Key, Revocation
from rotator.core.signing import SignerQuery
from rotator.core.steps import Revoke
from rotator.errors import Unavailable
from rotator.rotation import rotate
from tests.rotation.dsl import (
    DAY,
    HOUR,
    MINUTE,
    at_rest,
    before,
    fleet,
    gateway_with,
    request_rotation,
    rotated,
    run,
    settle,
    step_names,
)
from tests.rotation.events import Event
from tests.rotation.random_events import happen
from tests.world import LEASE, drive


def test_a_secret_set_back_just_before_a_revocation_stops_it() -> None:
    world, gateway = rotated(Revocation.AFTER_VERIFY)
    world.pass_time(DAY)
    world.at_call = before("assert_held", lambda: happen(world, gateway, Event.SECRET_SET_BACK, 0))
    run(world, gateway)
    settle(world, gateway)
    at_rest(world, gateway)


def test_after_verify_revokes_once_and_late() -> None:
    world, gateway = rotated(Revocation.AFTER_VERIFY)
    request_rotation(world)
    for n in range(40):
        run(world, gateway)
        world.pass_time(HOUR)
        assert n > 22 or "Revoke" not in step_names(world)
    assert sum(isinstance(step, Revoke) for step in world.steps) == 1
    at_rest(world, gateway)


def test_before_reuse_ends_the_tokens_before_last() -> None:
    world, gateway = rotated(Revocation.BEFORE_REUSE)
    request_rotation(world)
    run(world, gateway)
    assert sum(world.generation.values()) == 1
    at_rest(world, gateway)


def test_known_limit_a_regeneration_that_is_late_on_the_wire_cannot_be_fenced() -> None:
    """Paused between the last look and the call itself (or retried by the SDK): I1 falls."""
    world, gateway = rotated(Revocation.BEFORE_REUSE)
    request_rotation(world)
    world.at_call = before("regenerate", lambda: happen(world, gateway, Event.LEASE_TAKEN_OVER, 0))
    with pytest.raises(AssertionError, match="I1"):
        run(world, gateway)


def test_after_a_revocation_old_answers_are_not_believed() -> None:
    world, gateway = rotated(Revocation.AFTER_VERIFY)
    world.proof_age = 6 * HOUR
    world.pass_time(2 * DAY)
    process = world.process()
    for _ in range(3):
        drive(rotate(gateway, process))
    assert sum(isinstance(step, Revoke) for step in world.steps) == 1


@pytest.mark.parametrize("revoke", [Revocation.NEVER, Revocation.BEFORE_REUSE])
def test_a_proven_token_ends_no_key_unless_that_is_wanted(revoke: Revocation) -> None:
    world, gateway = rotated(revoke)
    world.pass_time(2 * DAY)
    run(world, gateway)
    assert world.revoked == []


def test_a_key_is_not_even_tried_while_a_target_cannot_be_looked_at() -> None:
    world, gateway = rotated(Revocation.AFTER_VERIFY, targets=2)
    world.targets["t1"].reachable = False
    world.pass_time(2 * DAY)
    run(world, gateway)
    assert not any(isinstance(step, Revoke) for step in world.steps)
    world.targets["t1"].reachable = True
    run(world, gateway)
    assert len(world.revoked) == 1


def test_a_lease_that_runs_out_during_the_last_look_keeps_the_key_alive() -> None:
    world, gateway = rotated()
    request_rotation(world, leak=True)

    looks = 0

    def slow(_: object, call: str, after: bool) -> None:
        nonlocal looks
        revoking = bool(world.steps) and isinstance(world.steps[-1], Revoke)
        if revoking and (call, after) == ("observe", True):
            looks += 1
            world.pass_time(LEASE + MINUTE)

    world.at_call = slow
    run(world, gateway)
    assert looks == 1 and world.revoked == []
    world.at_call = None
    run(world, gateway)
    assert len(world.revoked) == 1


def test_a_key_whose_tokens_are_unknown_is_not_regenerated() -> None:
    world, gateway = fleet(1, deterministic=False), gateway_with(Revocation.AFTER_VERIFY)
    run(world, gateway)
    request_rotation(world)
    run(world, gateway)
    world.pass_time(2 * DAY)
    drive(rotate(gateway, world.process()))
    assert world.revoked == []


def test_ending_a_key_rewrites_no_secret_that_says_nothing_of_it() -> None:
    world, gateway = rotated(Revocation.AFTER_VERIFY)
    world.pass_time(2 * DAY)
    version = world.targets["t0"].version
    run(world, gateway)
    assert len(world.revoked) == 1 and world.targets["t0"].version == version


def test_an_azure_that_does_not_answer_at_the_last_look_is_left_in_peace() -> None:
    """It throttles, perhaps: the question is not repeated at once, and the renewal goes on."""
    world, gateway = rotated(Revocation.AFTER_VERIFY)
    world.proof_age = 6 * HOUR
    world.pass_time(2 * DAY)
    process, asked = world.process(), 0
    signers = process.issuer.signers

    async def throttled(signer_queries: Iterable[SignerQuery]) -> Mapping[str, Key | None]:
        nonlocal asked
        asked += 1
        return await signers(signer_queries) if asked == 1 else {}

    process.issuer.signers = throttled  # type: ignore[method-assign]
    with pytest.raises(Unavailable, match="does not say which key"):
        drive(rotate(gateway, process))
    assert asked == 2 and world.revoked == []
    request_rotation(world)
    run(world, gateway)
    assert len(world.issued) == 2

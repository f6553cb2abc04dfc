"""A key is ended only when somebody wants it, when nobody can need it, and while the Lease is sure to last."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest

from rotator.core.records import Key, Revocation
from rotator.core.steps import Revoke
from rotator.core.verification import SignerQuery
from rotator.errors import Unavailable
from rotator.rotation import rotate
from tests.rotation.dsl import (
    DAY,
    HOUR,
    MINUTE,
    ask,
    at_rest,
    fleet,
    gateway,
    kinds,
    rotated,
    run,
    settle,
)
from tests.rotation.scenes import happen
from tests.world import LEASE, drive


def test_a_secret_set_back_just_before_a_revocation_stops_it() -> None:
    w, gw = rotated(Revocation.AFTER_VERIFY)
    w.pass_time(DAY)
    w.schedule = {w.points + 1: [lambda: happen(w, gw, "set-back", 0)]}
    run(w, gw)
    w.schedule = {}
    settle(w, gw)
    at_rest(w, gw)


def test_after_verify_revokes_once_and_late() -> None:
    w, gw = rotated(Revocation.AFTER_VERIFY)
    ask(w)
    for n in range(40):
        run(w, gw)
        w.pass_time(HOUR)
        assert n > 22 or "Revoke" not in kinds(w)
    assert sum(isinstance(s, Revoke) for s in w.acts) == 1
    at_rest(w, gw)


def test_before_reuse_ends_the_tokens_before_last() -> None:
    w, gw = rotated(Revocation.BEFORE_REUSE)
    ask(w)
    run(w, gw)
    assert sum(w.generation.values()) == 1
    at_rest(w, gw)


def test_known_limit_a_regeneration_that_is_late_on_the_wire_cannot_be_fenced() -> None:
    """Paused between the last look and the call itself (or retried by the SDK): I1 falls."""
    w, gw = rotated(Revocation.BEFORE_REUSE)
    ask(w)
    w.pauses = {0: lambda: happen(w, gw, "takeover", 0)}
    with pytest.raises(AssertionError, match="I1"):
        run(w, gw)


def test_after_a_revocation_nobody_believes_old_answers() -> None:
    w, gw = rotated(Revocation.AFTER_VERIFY)
    w.proof_age = 6 * HOUR
    w.pass_time(2 * DAY)
    process = w.process()
    for _ in range(3):
        drive(rotate(gw, process))
    assert sum(isinstance(s, Revoke) for s in w.acts) == 1


@pytest.mark.parametrize("revoke", [Revocation.NEVER, Revocation.BEFORE_REUSE])
def test_a_proven_token_ends_no_key_unless_that_is_wanted(revoke: Revocation) -> None:
    w, gw = rotated(revoke)
    w.pass_time(2 * DAY)
    run(w, gw)
    assert w.revoked == []


def test_a_key_is_not_even_tried_while_a_target_cannot_be_looked_at() -> None:
    w, gw = rotated(Revocation.AFTER_VERIFY, targets=2)
    w.clusters["t1"].reachable = False
    w.pass_time(2 * DAY)
    run(w, gw)
    assert not any(isinstance(s, Revoke) for s in w.acts)
    w.clusters["t1"].reachable = True
    run(w, gw)
    assert len(w.revoked) == 1


def test_a_lease_that_runs_out_during_the_last_look_keeps_the_key_alive() -> None:
    w, gw = rotated()
    ask(w, leak=True)

    looks = 0

    def slow(_: object, call: str, after: bool) -> None:
        nonlocal looks
        revoking = bool(w.acts) and isinstance(w.acts[-1], Revoke)
        if revoking and (call, after) == ("observe", True):
            looks += 1
            w.pass_time(LEASE + MINUTE)

    w.watch = slow
    run(w, gw)
    assert looks == 1 and w.revoked == []
    w.watch = None
    run(w, gw)
    assert len(w.revoked) == 1


def test_a_key_that_nobody_can_tell_is_not_ended() -> None:
    w, gw = fleet(1, deterministic=False), gateway(Revocation.AFTER_VERIFY)
    run(w, gw)
    ask(w)
    run(w, gw)
    w.pass_time(2 * DAY)
    drive(rotate(gw, w.process()))
    assert w.revoked == []


def test_ending_a_key_rewrites_no_secret_that_says_nothing_of_it() -> None:
    w, gw = rotated(Revocation.AFTER_VERIFY)
    w.pass_time(2 * DAY)
    version = w.clusters["t0"].version
    run(w, gw)
    assert len(w.revoked) == 1 and w.clusters["t0"].version == version


def test_an_azure_that_does_not_answer_at_the_last_look_is_left_in_peace() -> None:
    """It throttles, perhaps: the question is not repeated at once, and the renewal goes on."""
    w, gw = rotated(Revocation.AFTER_VERIFY)
    w.proof_age = 6 * HOUR
    w.pass_time(2 * DAY)
    process, asked = w.process(), 0
    signers = process.issuer.signers

    async def throttled(signer_queries: Iterable[SignerQuery]) -> Mapping[str, Key | None]:
        nonlocal asked
        asked += 1
        return await signers(signer_queries) if asked == 1 else {}

    process.issuer.signers = throttled  # type: ignore[method-assign]
    with pytest.raises(Unavailable, match="does not say which key"):
        drive(rotate(gw, process))
    assert asked == 2 and w.revoked == []
    ask(w)
    run(w, gw)
    assert len(w.issued) == 2

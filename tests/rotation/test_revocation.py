"""A key is ended only when somebody wants it, when nobody can need it, and while the Lease is sure to last."""

from __future__ import annotations

import pytest

from rotator.core.steps import Revoke
from rotator.core.words import Revocation
from tests.rotation.test_rotation import DAY, MINUTE, ask, rotated, run
from tests.world import LEASE


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

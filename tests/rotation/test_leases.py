"""A process that lost its Lease does nothing more."""

from __future__ import annotations

from rotator.core.words import Revocation
from tests.rotation.scenes import happen
from tests.rotation.stories import ask, at_rest, rotated, run
from tests.world import LEASE


def test_a_process_that_lost_its_lease_does_nothing_more() -> None:
    """I6: whichever check of the lease it is paused at, another process takes over or the lease runs out."""
    for other in (True, False):
        for revoke in Revocation:
            for n in range(1, 30):
                w, gw = rotated(revoke, 2)
                ask(w, leak=True)
                w.late.clear()
                w.pauses = {
                    w.checks + n: lambda w=w, gw=gw, other=other: (
                        happen(w, gw, "takeover", 0) if other else w.pass_time(2 * LEASE)
                    )
                }
                run(w, gw)
                assert w.late == []
                run(w, gw)
                w.pass_time(LEASE)
                run(w, gw)
                at_rest(w, gw)
                assert len(w.issued) <= 3


def test_a_lease_that_runs_out_while_azure_mints_a_token_keeps_it_from_being_written() -> None:
    w, gw = rotated()
    ask(w)
    w.late.clear()
    w.watch = lambda _, call, after: w.pass_time(2 * LEASE) if (call, after) == ("issue", True) else None
    run(w, gw)
    assert w.late == [] and len(w.issued) == 1

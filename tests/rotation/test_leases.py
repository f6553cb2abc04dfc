"""A process that lost its Lease does nothing more."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from rotator.core.records import Revocation
from rotator.errors import Stopping
from rotator.rotation import rotate
from tests.actor import Process
from tests.rotation.dsl import ask, at_rest, rotated, run
from tests.rotation.scenes import happen
from tests.world import LEASE, drive


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


def test_a_process_that_is_asked_to_stop_takes_no_further_step() -> None:
    w, gw = rotated()
    ask(w)
    process = w.process()
    actor = process.fleet
    assert isinstance(actor, Process)

    def stop(_: object, call: str, after: bool) -> None:
        actor.stopping = actor.stopping or (call, after) == ("write", True)

    w.watch = stop
    with pytest.raises(Stopping):
        drive(rotate(gw, process))
    assert len(w.issued) == 2 and not w.restarts and w.leader is None
    run(w, gw)
    at_rest(w, gw)


def test_a_run_that_rolled_nothing_gives_up_no_room_that_it_never_had() -> None:
    w, gw = rotated()
    process = replace(w.process(), rollouts=asyncio.Semaphore(1))
    drive(rotate(gw, process))
    ask(w)
    drive(rotate(gw, process))
    drive(process.rollouts.acquire())
    assert process.rollouts.locked()

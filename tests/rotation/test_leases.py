"""A process that lost its Lease does nothing more."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from rotator.core.records import Revocation
from rotator.errors import Stopping
from rotator.rotation import rotate
from tests.actor import Process
from tests.rotation.dsl import (
    after,
    at_rest,
    request_rotation,
    rotated,
    run,
)
from tests.rotation.events import Event
from tests.rotation.random_events import happen
from tests.world import LEASE, drive


def test_a_process_that_lost_its_lease_does_nothing_more() -> None:
    """I6: whichever check of the lease it is paused at, another process takes over or the lease runs out."""
    for other in (True, False):
        for revoke in Revocation:
            for n in range(1, 30):
                world, gateway = rotated(revoke, 2)
                request_rotation(world, leak=True)
                world.effects_without_lease.clear()
                world.at_lease_check = {
                    world.lease_checks + n: lambda world=world, gateway=gateway, other=other: (
                        happen(world, gateway, Event.LEASE_TAKEN_OVER, 0)
                        if other
                        else world.pass_time(2 * LEASE)
                    )
                }
                run(world, gateway)
                assert world.effects_without_lease == []
                run(world, gateway)
                world.pass_time(LEASE)
                run(world, gateway)
                at_rest(world, gateway)
                assert len(world.issued) <= 3


def test_a_lease_that_runs_out_while_azure_mints_a_token_keeps_it_from_being_written() -> None:
    world, gateway = rotated()
    request_rotation(world)
    world.effects_without_lease.clear()
    world.at_call = after("issue", lambda: world.pass_time(2 * LEASE))
    run(world, gateway)
    assert world.effects_without_lease == [] and len(world.issued) == 1


def test_a_process_that_is_asked_to_stop_takes_no_further_step() -> None:
    world, gateway = rotated()
    request_rotation(world)
    process = world.process()
    actor = process.store
    assert isinstance(actor, Process)

    def stop() -> None:
        actor.stopping = True

    world.at_call = after("write", stop)
    with pytest.raises(Stopping):
        drive(rotate(gateway, process))
    assert len(world.issued) == 2 and not world.restarts and world.leader is None
    run(world, gateway)
    at_rest(world, gateway)


def test_a_run_that_rolled_nothing_gives_up_no_room_that_it_never_had() -> None:
    world, gateway = rotated()
    process = replace(world.process(), rollouts=asyncio.Semaphore(1))
    drive(rotate(gateway, process))
    request_rotation(world)
    drive(rotate(gateway, process))
    drive(process.rollouts.acquire())
    assert process.rollouts.locked()

"""What is valid, but probably a mistake."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from rotator.config import warnings
from tests.config.conftest import Write
from tests.configuration import NO_WEBHOOK, SMALLEST, gateway

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize("line", ["", "freeze = true", "freeze = 2026-11-21T13:00:01+01:00"])
def test_a_freeze_that_still_holds_is_not_odd(settings: Write, line: str) -> None:
    assert warnings(settings(NO_WEBHOOK + gateway(more=line)), NOW) == ()
    assert warnings(settings(SMALLEST), NOW) == ()


def test_a_freeze_that_is_over_is_told_with_whom_it_is_about_and_what_to_do(settings: Write) -> None:
    (said,) = warnings(settings(NO_WEBHOOK + gateway(more="freeze = 2026-11-21T13:00:00+01:00")), NOW)

    assert said == (
        "freeze = 2026-11-21T13:00:00+01:00 is over and has no effect: gateway oslo. "
        "Take the line out, or write a later time"
    )


def test_a_freeze_of_a_whole_fleet_is_told_once(settings: Write) -> None:
    fleet = "".join(gateway(f"g{n}") for n in range(7))

    (said,) = warnings(settings(f"{NO_WEBHOOK}[defaults]\nfreeze = 2026-01-01T00:00:00Z\n{fleet}"), NOW)

    assert "no effect: gateways g0, g1, g2, g3, g4 and 2 more. Take" in said

"""Whatever is sent to the public port, it is answered in one of the ways that were promised."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from rotator.eventgrid import webhook
from tests.fuzz.campaign import Campaign, campaign
from tests.fuzz.odd_requests import Request, requests

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "3000"))
AT_A_TIME = 8
BATCHES = st.lists(requests(), min_size=AT_A_TIME, max_size=AT_A_TIME)
QUIET = list(HealthCheck)


def thrown(made: Campaign, requests: int, *, derandomize: bool) -> None:
    @settings(
        max_examples=max(1, requests // AT_A_TIME),
        database=None,
        deadline=None,
        derandomize=derandomize,
        suppress_health_check=QUIET,
        phases=[Phase.generate, Phase.shrink],
    )
    @given(BATCHES)
    def every_batch(batch: list[Request]) -> None:
        made.throw(batch)

    every_batch()


def test_a_few_hundred_odd_requests_are_answered_as_promised(tmp_path: Path) -> None:
    """The same ones each time."""
    with campaign(tmp_path) as made:
        thrown(made, 240, derandomize=True)
        made.well()
    assert {200, 400, 401, 413} <= set(made.answers)


@pytest.mark.fuzz
@pytest.mark.timeout(3600)
def test_thousands_of_odd_requests_are_answered_as_promised(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    with campaign(tmp_path) as made:
        thrown(made, EXAMPLES, derandomize=False)
        made.well()
    record_property("covered", f"fuzzing the webhook over HTTP: {made.told()}")


def test_a_fault_of_ours_would_be_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The promise is worth what its breach is noticed for: here the parser raises what it must not."""

    def broken(*_: object) -> None:
        raise KeyError("gatewayInfo")

    monkeypatch.setattr(webhook, "parse_delivery", broken)
    with campaign(tmp_path) as made:
        made.runner.run(made.ports.good("open"))
        with pytest.raises(AssertionError, match="KeyError"):
            made.heard()

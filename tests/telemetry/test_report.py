from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest

from rotator.core.messages import Explanation
from rotator.core.observation import MaintenanceWindow, Observation, Target, UnobservedTarget
from rotator.core.policy import Policy
from rotator.core.records import Decision, Key, Reason, Record, Token
from rotator.core.steps import Adopt, Await, Issue, Rest, RollBack, Step, Verify, Write
from rotator.errors import Busy, LeaseLost, Refused, Stopping, Unavailable
from rotator.telemetry import Metrics, RunReport
from tests.telemetry.conftest import Lines
from tests.telemetry.test_metrics import series, value

NOW = datetime(2030, 1, 1, tzinfo=UTC)
OLD = Token("0123456789ab", Key.PRIMARY, NOW - timedelta(days=20), NOW + timedelta(days=9), "0123456789ab")
NEW = Token("ba9876543210", Key.SECONDARY, NOW, NOW + timedelta(days=29), "ba9876543210")
POLICY = Policy()


class Clock:
    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> datetime:
        return self.at

    def checkpoint(self) -> None: ...

    async def wait(self, change: Coroutine[Any, Any, None]) -> None:
        await change


def holding(token: Token) -> tuple[Target, Observation]:
    decision = Decision(1, token)
    target = Target("apim/token", token.fingerprint, token.expires_at, Record(decision, verified_at=NOW), ())
    return target, Observation((target,), signers={token.fingerprint: token.key})


OLD_TARGET, OLD_SEEN = holding(OLD)
NEW_TARGET, NEW_SEEN = holding(NEW)
ISSUE = Issue(OLD_TARGET, Key.SECONDARY, False, Decision(1, OLD), frozenset(), Reason.NEARING_EXPIRY, None)
WRITE = Write(NEW_TARGET, Decision(2, NEW))
SETTLED = Rest(NOW + timedelta(hours=1), Reason.SETTLED)
UNSETTLED = Rest(NOW + timedelta(minutes=30), Reason.UNSETTLED)


class Run:
    """One reported run; `play` decides steps and does those that have an effect, a second each."""

    def __init__(self, listener: Any = None, said: str = "") -> None:
        self.metrics, self.clock = Metrics(["oslo"]), Clock()
        self.report = RunReport(
            "oslo", {"schedule", "NearExpiry"}, POLICY, self.clock, self.metrics, listener, said
        )

    def play(self, *steps: tuple[Step, Observation]) -> RunReport:
        for step, seen in steps:
            self.report.decided(step, seen, self.clock.at)
            self.clock.at += timedelta(seconds=1)
            if not isinstance(step, Rest | Await):
                self.report.done(step, self.clock.at)
        return self.report

    def counted(self) -> dict[tuple[str, str], float]:
        found = {
            dict(k)["result"]: (dict(k)["reason"], v)
            for (n, k), v in series(self.metrics).items()
            if n == "rotator_rotations_total" and v
        }
        return {(result, reason): v for result, (reason, v) in found.items()}


ROTATION = (
    (ISSUE, OLD_SEEN),
    (WRITE, NEW_SEEN),
    (Await(("apim/token",)), NEW_SEEN),
    (Await(("apim/token",)), NEW_SEEN),
    (Verify(NEW_TARGET), NEW_SEEN),
    (SETTLED, NEW_SEEN),
)


def test_a_rotation_is_told_in_one_line(lines: Lines) -> None:
    run = Run()
    run.play(*ROTATION).finish()
    (line,) = lines.about("rotation")
    del line["timestamp"], line["logger"]
    assert line == {
        "level": "info",
        "event": "rotation",
        "gateway": "oslo",
        "causes": ["NearExpiry", "schedule"],
        "reason": "NearingExpiry",
        "result": "rotated",
        "steps": ["Issue", "Write", "Await", "Verify"],
        "seconds": 6.0,
        "from": OLD.fingerprint,
        "to": NEW.fingerprint,
        "key": "secondary",
        "expires_at": "2030-01-30T00:00:00Z",
        "next_renewal": "2030-01-20T00:00:00Z",
        "next_look": "2030-01-01T01:00:00Z",
        "why": "everything runs token ba9876543210 (until 2030-01-30 00:00 UTC)",
    }
    assert run.counted() == {("rotated", "NearingExpiry"): 1}


def test_each_step_is_told_once_with_its_reason(lines: Lines) -> None:
    Run().play(*ROTATION)
    told = [(line["step"], line["reason"]) for line in lines.about("step") if line["level"] == "info"]
    assert told == [
        ("Issue", "NearingExpiry"),
        ("Write", "Lagging"),
        ("Await", "RollingOut"),
        ("Verify", "Proven"),
    ]
    assert "expires in 9 d" in lines.about("step")[0]["why"]


def test_metrics_follow_the_run() -> None:
    run = Run()
    run.play(ROTATION[0])
    assert value(run.metrics, "rotator_rotation_step", gateway="oslo", step="Issue") == 1
    assert (
        value(run.metrics, "rotator_token_expiration_timestamp_seconds", gateway="oslo")
        == OLD.expires_at.timestamp()
    )
    run.play(*ROTATION[1:]).finish()
    assert value(run.metrics, "rotator_rotation_step", gateway="oslo", step="Rest") == 1
    assert value(run.metrics, "rotator_gateway_settled", gateway="oslo") == 1
    assert (
        value(run.metrics, "rotator_token_expiration_timestamp_seconds", gateway="oslo")
        == NEW.expires_at.timestamp()
    )
    assert value(run.metrics, "rotator_rotation_duration_seconds_count", result="rotated") == 1


def test_a_run_that_finds_nothing_to_do_is_told_at_debug_and_not_counted(lines: Lines) -> None:
    run = Run()
    run.play((SETTLED, NEW_SEEN)).finish()
    assert {line["level"] for line in lines.json} == {"debug"}
    assert lines.about("rotation")[0]["result"] == "rested"
    assert run.counted() == {}
    assert value(run.metrics, "rotator_last_success_timestamp_seconds", gateway="oslo") == NOW.timestamp()


def test_adopting_is_no_rotation(lines: Lines) -> None:
    run = Run()
    run.play((Adopt(OLD_TARGET, Decision(0, OLD)), OLD_SEEN), (SETTLED, OLD_SEEN)).finish()
    assert run.counted() == {("adopted", "Adopted"): 1}


def test_what_is_left_unsettled_is_a_warning_and_says_why(lines: Lines) -> None:
    seen = Observation((NEW_TARGET,), (UnobservedTarget("apim/other", "no such Secret"),))
    run = Run()
    run.play((UNSETTLED, seen)).finish()
    (line,) = lines.about("rotation")
    assert (line["level"], line["result"], line["why"]) == (
        "warning",
        "unsettled",
        "apim/other: no such Secret",
    )
    assert value(run.metrics, "rotator_gateway_settled", gateway="oslo") == 0
    assert run.counted() == {}


@pytest.mark.parametrize(("said", "level"), [("apim/other: away", "warning"), ("apim/other: gone", "debug")])
def test_what_was_told_to_be_unsettled_already_is_not_told_at_every_look(
    lines: Lines, said: str, level: str
) -> None:
    run = Run(said=said)
    run.play((UNSETTLED, Observation((NEW_TARGET,), (UnobservedTarget("apim/other", "gone"),)))).finish()
    assert [line["level"] for line in lines.about("rotation")] == [level]


@pytest.mark.parametrize(
    ("error", "level", "result", "told"),
    [
        (Unavailable("Azure is away"), "warning", "failed", "Unavailable: Azure is away"),
        (Refused("may not", "Grant it."), "error", "failed", "Refused: may not. Grant it."),
        (Stopping("leaving"), "info", "interrupted", "Stopping: leaving"),
        (LeaseLost("another has it"), "info", "interrupted", "LeaseLost: another has it"),
        (asyncio.CancelledError(), "info", "interrupted", "CancelledError"),
        (KeyError("GatewayKey"), "error", "failed", "KeyError"),
    ],
)
def test_an_error_ends_the_run_in_its_line(
    lines: Lines, error: BaseException, level: str, result: str, told: str
) -> None:
    run = Run()
    run.report.decided(ISSUE, OLD_SEEN, NOW)
    run.report.finish(error)
    (line,) = lines.about("rotation")
    assert (line["level"], line["result"], line["error"], line["unfinished"]) == (
        level,
        result,
        told,
        "Issue",
    )
    assert run.counted() == {(result, "NearingExpiry"): 1}
    assert "GatewayKey" not in lines.text


def test_an_error_at_the_first_look_is_counted_by_its_name(lines: Lines) -> None:
    run = Run()
    run.report.finish(Unavailable("the cluster is away"))
    assert run.counted() == {("failed", "Unavailable"): 1}


def test_another_process_at_work_is_told_and_not_counted(lines: Lines) -> None:
    run = Run()
    run.report.finish(Busy("another process is at it"))
    assert [(line["level"], line["result"]) for line in lines.json] == [("info", "busy")]
    assert run.counted() == {}


def test_an_unforeseen_error_is_told_by_its_place_and_not_by_its_text(lines: Lines) -> None:
    run = Run()
    try:
        raise ValueError("body: GatewayKey of somebody")  # noqa: TRY301 - its place is the point
    except ValueError as e:
        run.report.finish(e)
    (line,) = lines.about("rotation")
    assert line["where"][0].startswith("test_report.py:")
    assert "somebody" not in lines.text


def test_a_listener_hears_each_step_before_and_after() -> None:
    heard: list[tuple[str, str, str, str]] = []

    def listener(gateway: str, why: Explanation, step: Step, when: Literal["decided", "done"]) -> None:
        heard.append((gateway, why.reason.value, type(step).__name__, when))

    Run(listener).play(ROTATION[0], ROTATION[-1])
    assert heard == [
        ("oslo", "NearingExpiry", "Issue", "decided"),
        ("oslo", "NearingExpiry", "Issue", "done"),
        ("oslo", "Settled", "Rest", "decided"),
    ]


def test_nothing_that_goes_wrong_in_reporting_reaches_the_rotation(lines: Lines) -> None:
    def listener(*_: object) -> None:
        raise ValueError("GatewayKey of somebody")

    run = Run(listener)
    run.report._metrics = None  # type: ignore[assignment]  # breaks every use of it
    run.play(*ROTATION).finish()
    run.report.decided(object(), OLD_SEEN, NOW)  # type: ignore[arg-type]  # not a step
    failures = lines.about("reporting failed")
    assert {line["of"] for line in failures} == {"a decision", "a listener", "the end of a run"}
    assert "somebody" not in lines.text
    assert len(lines.about("rotation")) == 1


def test_a_step_that_overrides_a_freeze_is_loud(lines: Lines) -> None:
    frozen = replace(OLD_SEEN, window=MaintenanceWindow(False, None, "frozen until the line is taken out"))
    run = Run()
    run.play((ISSUE, frozen))
    (line,) = lines.about("overridden")
    assert line["level"] == "warning" and line["closed"] == "frozen until the line is taken out"
    assert value(run.metrics, "rotator_overrides_total", gateway="oslo", step="Issue") == 1


def test_a_step_that_failed_is_told_and_the_run_goes_on(lines: Lines) -> None:
    told: list[tuple[str, str]] = []
    run = Run(lambda gateway, why, step, when: told.append((type(step).__name__, when)))
    run.report.decided(ISSUE, OLD_SEEN, NOW)
    run.report.failed(ISSUE, Refused("not allowed", "Grant it."))
    (line,) = lines.about("step failed")
    assert line["error"] == "Refused: not allowed. Grant it."
    assert value(run.metrics, "rotator_step_failures_total", gateway="oslo", step="Issue") == 1
    assert told[-1] == ("Issue", "failed")


def test_a_roll_back_is_a_result_of_its_own_and_an_error(lines: Lines) -> None:
    run = Run()
    back = RollBack(OLD_TARGET, Decision(3, OLD, frozenset(), 1, NOW + timedelta(minutes=30)))
    run.play((back, NEW_SEEN), (Rest(NOW, Reason.ROLLED_BACK), OLD_SEEN)).finish()
    (line,) = lines.about("rotation")
    assert (line["level"], line["result"]) == ("error", "rolled-back")


def test_what_waits_for_a_window_is_held_and_no_warning(lines: Lines) -> None:
    run = Run()
    run.play((Rest(NOW, Reason.HELD), OLD_SEEN)).finish()
    assert value(run.metrics, "rotator_gateway_held", gateway="oslo") == 1
    assert value(run.metrics, "rotator_gateway_settled", gateway="oslo") == 0
    assert not [x for x in lines.json if x["level"] in {"warning", "error"}]

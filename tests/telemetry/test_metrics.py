from __future__ import annotations

import math
import re
import time
from datetime import UTC, datetime, timedelta

from prometheus_client.parser import text_string_to_metric_families

from rotator.core.records import Reason
from rotator.core.run_result import RunResult
from rotator.telemetry import Metrics

AT = datetime(2030, 1, 2, tzinfo=UTC)
BASE_UNITS = ("seconds", "bytes", "total", "ratio", "info")


def series(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text = metrics.render()[0].decode()
    families = list(text_string_to_metric_families(text))
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for f in families for s in f.samples}


def value(metrics: Metrics, name: str, **labels: str) -> float:
    return series(metrics)[name, tuple(sorted(labels.items()))]


def test_names_follow_prometheus_conventions() -> None:
    """As `promtool check metrics` sees it: help, base units, _total on counters and on nothing else."""
    text = Metrics(["oslo"]).render()[0].decode()
    ours = [f for f in text_string_to_metric_families(text) if f.name.startswith("rotator_")]
    assert len(ours) == 17
    for family in ours:
        assert family.documentation.endswith(".") or family.name == "rotator_build_info"
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", family.name)
        assert not re.search(r"_(ms|milliseconds|minutes|hours|days|count|sum|bucket)$", family.name)
        assert family.name.startswith("rotator_") and not family.name.endswith("_total")
    types = {line.split()[2]: line.split()[3] for line in text.splitlines() if line.startswith("# TYPE")}
    assert {n for n, t in types.items() if t == "counter" and n.startswith("rotator")} == {
        "rotator_rotations_total",
        "rotator_events_total",
        "rotator_overrides_total",
        "rotator_step_failures_total",
    }
    assert all(
        n.endswith("_seconds") for n, t in types.items() if t == "histogram" and n.startswith("rotator")
    )
    assert not [n for n in types if n.endswith("_created")]
    assert "process_resident_memory_bytes" in types


def test_every_gateway_has_its_series_from_the_start_and_unknown_times_fire_no_alert() -> None:
    before = time.time()
    metrics = Metrics(["oslo", "bergen"])
    for gateway in ("oslo", "bergen"):
        assert math.isnan(value(metrics, "rotator_token_expiration_timestamp_seconds", gateway=gateway))
        # Before the first success, the start: the alert on no success for too long must be able to fire.
        start = value(metrics, "rotator_last_success_timestamp_seconds", gateway=gateway)
        assert before <= start <= time.time()
        assert value(metrics, "rotator_gateway_settled", gateway=gateway) == 0
        assert value(metrics, "rotator_rotation_step", gateway=gateway, step="Rest") == 1
        labels = {"gateway": gateway, "result": "failed", "reason": "NearingExpiry"}
        assert value(metrics, "rotator_rotations_total", **labels) == 0
    assert value(metrics, "rotator_events_total", type="Expired", outcome="stale") == 0


def test_a_gateway_has_one_step_series_however_many_steps_it_takes() -> None:
    metrics = Metrics(["oslo"])
    for step in ("Issue", "Write", "Await", "Await", "Rest", "Issue"):
        metrics.at_step("oslo", step)
    steps = [labels for name, labels in series(metrics) if name == "rotator_rotation_step"]
    assert steps == [(("gateway", "oslo"), ("step", "Issue"))]


def test_times_are_unix_seconds() -> None:
    metrics = Metrics(["oslo"])
    metrics.token("oslo", AT, AT - timedelta(days=10))
    metrics.looked("oslo", Reason.SETTLED, AT)
    metrics.looked("oslo", Reason.FIGHTING, AT + timedelta(days=1))
    assert value(metrics, "rotator_token_expiration_timestamp_seconds", gateway="oslo") == AT.timestamp()
    assert (
        value(metrics, "rotator_token_renewal_timestamp_seconds", gateway="oslo") == AT.timestamp() - 864_000
    )
    assert value(metrics, "rotator_last_success_timestamp_seconds", gateway="oslo") == AT.timestamp()
    assert value(metrics, "rotator_gateway_settled", gateway="oslo") == 0


def test_rotations_are_counted_and_timed() -> None:
    metrics = Metrics(["oslo"])
    metrics.rotation("oslo", RunResult.ROTATED, "Requested", timedelta(minutes=2))
    labels = {"gateway": "oslo", "result": "rotated", "reason": "Requested"}
    assert value(metrics, "rotator_rotations_total", **labels) == 1
    assert value(metrics, "rotator_rotation_duration_seconds_sum", result="rotated") == 120
    assert value(metrics, "rotator_rotation_duration_seconds_bucket", result="rotated", le="60.0") == 0
    assert value(metrics, "rotator_rotation_duration_seconds_bucket", result="rotated", le="120.0") == 1


def test_a_gateway_that_is_gone_loses_its_series_and_a_new_one_gets_them() -> None:
    metrics = Metrics(["oslo", "bergen"])
    metrics.token("oslo", AT, AT)
    metrics.at_step("bergen", "Issue")
    metrics.rotation("bergen", RunResult.ROTATED, "Requested", timedelta(minutes=2))
    metrics.follow(["oslo", "tromso"])
    gateways = {dict(labels).get("gateway") for _, labels in series(metrics)}
    assert gateways == {None, "oslo", "tromso"}
    assert value(metrics, "rotator_token_expiration_timestamp_seconds", gateway="oslo") == AT.timestamp()
    assert value(metrics, "rotator_gateway_settled", gateway="tromso") == 0


def test_a_refused_configuration_shows_until_one_is_loaded() -> None:
    metrics = Metrics([])
    metrics.config_loaded(AT)
    metrics.config_refused()
    assert value(metrics, "rotator_config_last_reload_successful") == 0
    assert value(metrics, "rotator_config_last_reload_success_timestamp_seconds") == AT.timestamp()
    metrics.config_loaded(AT + timedelta(days=1))
    assert value(metrics, "rotator_config_last_reload_successful") == 1


def test_no_sender_can_make_series() -> None:
    metrics = Metrics(["oslo"])
    before = set(series(metrics))
    for n in range(50):
        metrics.event(f"type-{n}", f"outcome-{n}")
    metrics.event("NearExpiry", "accepted")
    assert set(series(metrics)) == before
    assert value(metrics, "rotator_events_total", type="NearExpiry", outcome="accepted") == 1


def test_the_text_format_is_the_one_that_every_prometheus_reads() -> None:
    assert Metrics([]).render()[1].startswith("text/plain; version=0.0.4")


def test_the_clocks_skew_is_unknown_before_the_first_answer() -> None:
    metrics = Metrics(["oslo"])
    assert math.isnan(value(metrics, "rotator_clock_skew_seconds"))
    metrics.skew(timedelta(minutes=-10))
    assert value(metrics, "rotator_clock_skew_seconds") == -600

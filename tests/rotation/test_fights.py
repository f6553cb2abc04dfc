"""Somebody else changes things again and again: that slows down, is told, and lets no token expire."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from rotator.core.records import Key, Reason
from rotator.core.steps import Adopt, Issue, Write
from tests.rotation.dsl import (
    DAY,
    HOUR,
    MINUTE,
    ask,
    at_rest,
    crash,
    fleet,
    kinds,
    rotated,
    run,
    said_at_rest,
)
from tests.world import World, count


def test_a_fight_over_one_secret_starves_no_other() -> None:
    """Repairs are rationed per gateway: each drifted target gets its turn."""
    w, gw = rotated(targets=2)
    fought, emptied = w.clusters["t0"], w.clusters["t1"]
    fought.owned = w.mint(Key.SECONDARY, w.now + 20 * DAY)
    for _ in range(20):
        run(w, gw)
        w.pass_time(HOUR)
    emptied.value, emptied.version = "", emptied.version + 1
    for _ in range(49):
        run(w, gw)
        w.pass_time(HOUR)
    assert w.usable(emptied.value)


def test_a_fight_with_gitops_slows_down() -> None:
    w, gw = rotated()
    c, old = w.clusters["t0"], w.mint(Key.SECONDARY, w.now + 20 * DAY)
    for _ in range(24 * 20):
        c.value, c.version = old, c.version + 1
        run(w, gw)
        w.pass_time(timedelta(minutes=3))
    assert 3 <= sum(isinstance(s, Write) for s in w.acts) < 25 and sum(w.restarts.values()) == 0


def test_a_fight_over_a_due_token_issues_few() -> None:
    w, gw = rotated()
    c = w.clusters["t0"]
    w.pass_time(17 * DAY)
    old = c.value
    for _ in range(24 * 20 * 4):
        run(w, gw)
        w.pass_time(timedelta(minutes=3))
        c.value, c.version = old, c.version + 1
    assert len(w.issued) <= 4, len(w.issued)


def test_a_gitops_replace_that_drops_annotations_causes_no_storm() -> None:
    w, gw = rotated()
    c, old = w.clusters["t0"], w.mint(Key.SECONDARY, w.now + 15 * DAY)
    for _ in range(24 * 20 * 7):
        c.value, c.record, c.version = old, None, c.version + 1
        run(w, gw)
        w.pass_time(timedelta(minutes=3))
    assert sum(w.restarts.values()) <= 25, w.restarts
    assert sum(isinstance(s, Adopt) for s in w.acts) <= 25


def test_a_due_token_written_over_a_strangers_counts_as_a_repair() -> None:
    w, gw = rotated()
    w.pass_time(20 * DAY)
    c = w.clusters["t0"]
    c.value, c.version = w.mint(Key.SECONDARY, w.now + DAY), c.version + 1
    run(w, gw)
    assert count(w, Issue) == 1 and w.restores == 1


def revert_templates(w: World) -> None:
    for c in w.clusters.values():
        for d in c.workloads.values():
            d.mark, d.version = None, d.version + 1


def test_templates_that_are_reverted_for_ever_cause_no_storm() -> None:
    w, gw = rotated()
    ask(w)
    run(w, gw)
    w.restarts.clear()
    w.acts.clear()
    for _ in range(24 * 20):
        revert_templates(w)
        run(w, gw)
        w.pass_time(3 * MINUTE)
    assert 3 <= sum(w.restarts.values()) <= 8, w.restarts


def test_a_fight_stops_says_who_and_what_to_do_and_goes_on_once_a_day() -> None:
    w, gw = rotated()
    c, old = w.clusters["t0"], w.mint(Key.SECONDARY, w.now + 20 * DAY)
    for _ in range(24 * 20):
        c.value, c.version = old, c.version + 1
        run(w, gw)
        w.pass_time(3 * MINUTE)
    assert sum(isinstance(s, Write) for s in w.acts) <= 7
    reason, text = said_at_rest(w, gw)
    assert reason is Reason.FIGHTING
    assert (
        "keeps changing the token back. It was mended 6 times" in text and "secret.createSecret=false" in text
    )
    w.acts.clear()
    w.pass_time(DAY)
    run(w, gw)
    assert kinds(w)[0] == "Write"


def test_a_new_token_that_waits_for_the_end_of_a_fight_says_so() -> None:
    w, gw = rotated()
    w.restores, w.last_restored_at = 6, w.now
    ask(w)
    reason, text = said_at_rest(w, gw)
    assert reason is Reason.FIGHTING
    assert text.startswith("a new token (Requested) waits until 2026-01-02 ") and "6 times so far" in text


def test_no_fight_lets_a_token_expire() -> None:
    w, gw = rotated()
    gw = replace(gw, policy=replace(gw.policy, panic_before=2 * HOUR))
    w.pass_time(w.expiry(w.clusters["t0"].value) - w.now - HOUR)
    w.restores, w.last_restored_at = 6, w.now
    w.pass_time(HOUR - MINUTE)
    run(w, gw)
    assert len(w.issued) == 1
    w.pass_time(2 * MINUTE)
    run(w, gw)
    at_rest(w, gw)


def test_after_a_fight_nothing_is_called_a_fight_that_is_none() -> None:
    w, gw = rotated()
    w.restores, w.last_restored_at = 6, w.now
    reason, _ = said_at_rest(w, gw)
    assert reason is Reason.SETTLED


def test_a_fight_over_an_adopted_token_rests_too() -> None:
    w = fleet(1)
    run(w)
    w.clusters["t0"].owned = w.mint(Key.SECONDARY, w.now + 10 * DAY)
    for _ in range(10):
        run(w)
        w.pass_time(HOUR)
    w.acts.clear()
    reason, _ = said_at_rest(w)
    assert reason is Reason.FIGHTING and kinds(w) == ["Rest"]


def test_while_a_secret_is_fought_over_no_pod_is_made_to_read_what_is_there() -> None:
    """Neither restarted, nor replaced, nor waited for."""
    w, gw = rotated()
    c = w.clusters["t0"]
    ask(w)
    w.schedule = {w.points + 6: [crash]}
    run(w, gw)
    w.schedule = {}
    assert c.workloads["w0"].mark != c.value, "the new token is written, nothing restarted yet"
    w.pass_time(HOUR)
    c.value, c.version = w.mint(Key.SECONDARY, w.now + 5 * DAY), c.version + 1
    w.restores, w.last_restored_at = 6, w.now
    w.evict(c, c.workloads["w0"], c.workloads["w0"].pods[0].name)
    w.acts.clear()
    reason, _ = said_at_rest(w, gw)
    assert reason is Reason.FIGHTING and kinds(w) == ["Rest"] and not w.restarts


def test_a_proven_token_that_is_fought_over_is_not_waited_for() -> None:
    w, gw = rotated()
    c = w.clusters["t0"]
    assert c.record
    c.value, c.record, c.version = (
        w.mint(Key.SECONDARY, w.now + 5 * DAY),
        replace(c.record, restored_at=w.now),
        c.version + 1,
    )
    w.evict(c, c.workloads["w0"], c.workloads["w0"].pods[0].name)
    w.restores, w.last_restored_at = 6, w.now
    w.pass_time(5 * MINUTE)
    reason, _ = said_at_rest(w, gw)
    assert reason is Reason.FIGHTING and kinds(w) == ["Rest"]

"""Windows, freezes, contexts, revocation, restraint: what may be written, and what is said of the rest."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from rotator.config import Calendar, Settings, WindowTable
from rotator.core.records import Revocation
from tests.config.conftest import Errors, Write
from tests.configuration import NO_WEBHOOK, gateway, target

NIGHTS = '{ cron = "0 22 * * 1-5", duration = "4h", zone = "Europe/Oslo" }'


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def calendar(settings: Write, line: str) -> Calendar:
    return settings(NO_WEBHOOK + gateway(more=line)).gateways[0].calendar


def test_without_a_word_it_is_always_open(settings: Write) -> None:
    hours = calendar(settings, "").hours(at("2026-11-21 12:00"))

    assert hours.open and hours.turns_at is None and hours.why == ""


@pytest.mark.parametrize(
    ("now", "is_open", "turns"),
    [
        ("2026-11-20 20:59", False, "2026-11-20 21:00"),
        ("2026-11-20 21:00", True, "2026-11-21 01:00"),
        ("2026-11-21 00:59", True, "2026-11-21 01:00"),
        ("2026-11-21 01:00", False, "2026-11-23 21:00"),
    ],
)
def test_a_window_opens_and_closes_on_the_clocks_of_its_zone(
    settings: Write, now: str, is_open: bool, turns: str
) -> None:
    """A Friday night in winter: 22:00 in Oslo is 21:00 UTC, and the next one is on Monday."""
    hours = calendar(settings, f"windows = [{NIGHTS}]").hours(at(now))

    assert (hours.open, hours.turns_at) == (is_open, at(turns))
    assert ("outside its maintenance windows" in hours.why) is not is_open


@pytest.mark.parametrize(("day", "opens"), [("2027-03-26", "21:00"), ("2027-03-29", "20:00")])
def test_summer_time_moves_a_window_with_the_people(settings: Write, day: str, opens: str) -> None:
    hours = calendar(settings, f"windows = [{NIGHTS}]").hours(at(f"{day} 12:00"))

    assert hours.turns_at == at(f"{day} {opens}")


@pytest.mark.parametrize("day", ["2027-03-28", "2026-10-25"])
def test_a_window_in_an_hour_that_is_skipped_or_comes_twice_opens_on_that_day(
    settings: Write, day: str
) -> None:
    """Berlin's clocks are changed between two and three in the morning of these days."""
    line = 'windows = [{ cron = "30 2 * * *", duration = "1h", zone = "Europe/Berlin" }]'
    midnight = at(f"{day} 00:00")

    opens = calendar(settings, line).windows[0].opens(midnight - timedelta(minutes=30))

    assert opens is not None and midnight <= opens <= midnight + timedelta(hours=2)


def test_a_window_that_closed_does_not_open_again_when_its_hour_comes_again(settings: Write) -> None:
    """Clocks go back from 03:00 to 02:00 in Oslo: 02:30 is 00:30 UTC, and 01:20 UTC is 02:20 once more."""
    window = '{ cron = "30 2 * * *", duration = "20m", zone = "Europe/Oslo" }'
    hours = calendar(settings, f"windows = [{window}]").hours(at("2026-10-25 01:20"))

    assert (hours.open, hours.turns_at) == (False, at("2026-10-26 01:30"))


def test_windows_that_meet_are_one(settings: Write) -> None:
    line = 'windows = [{ cron = "0 */2 * * *", duration = "2h" }]'

    hours = calendar(settings, line).hours(at("2026-11-21 13:00"))

    assert hours.open and hours.turns_at is not None and hours.turns_at > at("2026-11-22 00:00")


@pytest.mark.parametrize(
    ("cron", "duration", "zone"),
    [
        ("0 0 * * *", "24h", "UTC"),
        ("0 0 * * *", "24h", "Europe/Oslo"),
        ("0 22 * * 5", "60h", "UTC"),
        ("0 0 1 * *", "28d", "UTC"),
        ("0 0 29 2 *", "366d", "UTC"),
    ],
)
def test_a_window_may_last_until_it_opens_again(settings: Write, cron: str, duration: str, zone: str) -> None:
    """Also on the one day of the year that has 23 hours."""
    line = f'windows = [{{ cron = "{cron}", duration = "{duration}", zone = "{zone}" }}]'

    assert calendar(settings, line).windows


def test_several_windows_are_open_when_one_of_them_is(settings: Write) -> None:
    line = 'windows = [{ cron = "0 1 * * *", duration = "1h" }, { cron = "0 12 * * *", duration = "1h" }]'

    found = calendar(settings, line)

    assert [found.hours(at(f"2026-11-21 {hour:02}:30")).open for hour in (0, 1, 2, 12, 13)] == [
        False,
        True,
        False,
        True,
        False,
    ]
    assert found.hours(at("2026-11-21 03:00")).turns_at == at("2026-11-21 12:00")


def test_a_freeze_closes_whatever_windows_say(settings: Write) -> None:
    now = at("2026-11-21 12:00")

    for line in ("freeze = true", f"freeze = true\nwindows = [{NIGHTS}]"):
        hours = calendar(settings, line).hours(now)
        assert not hours.open and hours.turns_at is None
        assert hours.why == "frozen until the line is taken out of the configuration"


def test_a_freeze_until_a_time_ends_by_itself(settings: Write) -> None:
    found = calendar(settings, "freeze = 2027-01-02T08:00:00+01:00")

    before, after = (found.hours(at(f"2027-01-02 {t}")) for t in ("06:59", "07:00"))

    assert not before.open and before.turns_at == at("2027-01-02 07:00") and "frozen until" in before.why
    assert after.open


def test_a_gateway_may_have_windows_and_freezes_of_its_own(settings: Write) -> None:
    head = f"{NO_WEBHOOK}[defaults]\nfreeze = true\nwindows = [{NIGHTS}]\n"

    oslo, bergen = settings(
        head + gateway("oslo") + gateway("bergen", "freeze = false\nwindows = []")
    ).gateways

    assert oslo.calendar == Calendar(
        (WindowTable(cron="0 22 * * 1-5", duration=timedelta(hours=4), zone=ZoneInfo("Europe/Oslo")),), True
    )
    assert bergen.calendar == Calendar()


REFUSED = [
    ('windows = [{ cron = "0 22 * *", duration = "4h" }]', "windows[0].cron", "is not a cron expression"),
    *(
        (
            f'windows = [{{ cron = "{cron}", duration = "4h" }}]',
            "windows[0].cron",
            "never occurs. Write a day that its months have",
        )
        for cron in ("0 0 31 2 *", "0 0 31 4,6 *")
    ),
    *(
        (
            f'windows = [{{ cron = "{cron}", duration = "4h" }}]',
            "windows[0].cron",
            f"is not a cron expression: its {wrong} cannot be read. Write five fields (minute, hour,",
        )
        for cron, wrong in (
            ("61 0 * * *", "minute"),
            ("0 0 32 2 *", "day-of-month"),
            ("0 0 31 foo *", "month"),
        )
    ),
    *(
        (
            f'windows = [{{ cron = "{cron}", duration = "{duration}" }}]',
            "windows[0].duration",
            f"must not be longer than {gap}, after which this cron opens it again: it is {duration}. Write",
        )
        for cron, duration, gap in (
            ("0 1 * * *", "1d1h", "1d"),
            ("* 22 * * *", "4h", "1m"),
            ("0 22 * * 1-5", "1d2h", "1d"),
            ("0 0 1 1,7 *", "181d1h", "181d"),
        )
    ),
    (
        'windows = [{ cron = "* * * * * *", duration = "4h" }]',
        "windows[0].cron",
        "is not a cron expression: it has 6 fields. Write five fields",
    ),
    ('windows = [{ cron = "@daily", duration = "4h" }]', "windows[0].cron", "Write five fields"),
    ('windows = [{ cron = 5, duration = "4h" }]', "windows[0].cron", "must be text in quotes"),
    ('windows = [{ duration = "4h" }]', "windows[0].cron", "is missing"),
    ('windows = [{ cron = "0 1 * * *" }]', "windows[0].duration", "is missing"),
    ('windows = [{ cron = "0 1 * * *", duration = "0s" }]', "windows[0].duration", "longer than zero"),
    ('windows = [{ cron = "0 1 * * *", duration = 4 }]', "windows[0].duration", "a duration in quotes"),
    (
        'windows = [{ cron = "0 1 * * *", duration = "1h", zone = "Europe/Olso" }]',
        "windows[0].zone",
        'is not a time zone. Write a name of the tz database, such as "Europe/Oslo"',
    ),
    (
        'windows = [{ cron = "0 1 * * *", duration = "1h", zone = "../../etc/passwd" }]',
        "windows[0].zone",
        "is not a time zone",
    ),
    (
        'windows = [{ cron = "0 1 * * *", duration = "1h", tz = "UTC" }]',
        "windows[0].tz",
        "Known here: cron, duration, zone",
    ),
    ('windows = { cron = "0 1 * * *", duration = "1h" }', "windows", "must be a list. Write windows = [{"),
    ('windows = ["nights"]', "windows[0]", "must be a table. Write windows = [{"),
    *(
        (f"freeze = {bad}", "freeze", "a time with a zone and without quotes. Write freeze = true, or")
        for bad in ('"until Christmas"', "2026-12-24", "2026-12-24T00:00:00", '"2026-12-24T00:00:00Z"', "1")
    ),
    ('revoke = "always"', "revoke", 'must be one of "never", "before-reuse" or "after-verify"'),
    ('revoke_after = "0s"', "revoke_after", "must be longer than zero"),
    ('revoke = "after-verify"\nrevoke_after = "19d"', "revoke_after", "and the next token would come first"),
    ('roll_back = "no"', "roll_back", "must be true or false. Write roll_back = true"),
    ("replace_pods = 0", "replace_pods", "must be true or false. Write replace_pods = true"),
    ("max_restarts_per_hour = 0", "max_restarts_per_hour", "must be at least 1"),
]


@pytest.mark.parametrize(("line", "path", "said"), REFUSED, ids=lambda x: str(x)[:50])
def test_what_cannot_be_meant_is_refused_by_name(errors: Errors, line: str, path: str, said: str) -> None:
    (found,) = errors(NO_WEBHOOK + gateway(more=line))

    assert found.startswith(f"gateways[0].{path}: ") and found.endswith("(gateway oslo)")
    assert said in found


def test_the_built_in_revoke_after_counts_where_none_is_written(errors: Errors, settings: Write) -> None:
    """Tokens of two days are renewed before the day has passed after which the key would be revoked."""
    short = 'token_lifetime = "2d"\nrenew_before = "36h"\npanic_before = "6h"\n'

    (found,) = errors(NO_WEBHOOK + gateway(more=f'{short}revoke = "after-verify"'))

    assert found == (
        "gateways[0].revoke: leaves too little time: revoke_after is 1d, not shorter than token_lifetime - "
        'renew_before (12h), and the next token would come first. Write revoke_after = "6h" (gateway oslo)'
    )
    assert settings(NO_WEBHOOK + gateway(more=short)).gateways[0].policy.revoke is Revocation.NEVER


@pytest.mark.parametrize("word", ["never", "before-reuse", "after-verify"])
def test_each_way_to_revoke_arrives(settings: Write, word: str) -> None:
    (found,) = settings(
        f'{NO_WEBHOOK}[defaults]\nrevoke = "{word}"\nrevoke_after = "2h"\n' + gateway()
    ).gateways

    assert found.policy.revoke is Revocation(word) and found.policy.revoke_after == timedelta(hours=2)


def places(found: Settings) -> list[str]:
    return [t.place for t in found.gateways[0].targets]


def test_targets_in_several_clusters_are_told_apart(settings: Write, errors: Errors) -> None:
    west, east = (target(more=f'context = "{name}"') for name in ("west", "east"))

    assert places(settings(NO_WEBHOOK + gateway(targets=target() + west + east))) == [
        "apim/apim-token",
        "west:apim/apim-token",
        "east:apim/apim-token",
    ]
    (found,) = errors(NO_WEBHOOK + gateway(targets=west + west))
    assert found.startswith("gateways[0].targets[1].secret: is already the Secret of gateways[0].targets[0]")


@pytest.mark.parametrize(("written", "said"), [('""', "must not be empty"), ("3", "must be text in quotes")])
def test_a_context_is_a_name(errors: Errors, written: str, said: str) -> None:
    (found,) = errors(NO_WEBHOOK + gateway(targets=target(more=f"context = {written}")))

    assert found.startswith("gateways[0].targets[0].context: ") and said in found


def test_what_may_go_on_at_the_same_time_is_at_least_one(errors: Errors) -> None:
    (found,) = errors(f"[rotation]\nmax_concurrent_rollouts = 0\n{NO_WEBHOOK}{gateway()}")

    assert found == (
        "rotation.max_concurrent_rollouts: must be at least 1. Write max_concurrent_rollouts = 50"
    )

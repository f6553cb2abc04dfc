"""The table of `rotator status` tells the truth at a glance."""

from __future__ import annotations

import io
import itertools
from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console

from rotator.cli.columns import COLUMNS, explained
from rotator.cli.show import TABLE_WIDTH, about
from rotator.cli.table import table

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
HELD = {"fingerprint": "aaaa", "key": "primary", "dead": False, "expires_at": "2026-12-11T12:00:00Z"}


def target(pods: int = 2, running: int | None = 2, **changes: Any) -> dict[str, Any]:
    load = {"name": "deployment/gw", "pods": pods, "running": running}
    return HELD | {"name": "apim/token", "assumed": False, "workloads": [load]} | changes


def state(*targets: dict[str, Any], **changes: Any) -> dict[str, Any]:
    rest = {"name": "oslo", "state": "Settled", "next_step": "Rest", "due": None, "retry_at": None}
    return (
        rest | {"renewal_at": "2026-12-01T12:00:00Z", "targets": list(targets), "unreachable": []} | changes
    )


def rows(*states: dict[str, Any]) -> list[list[str]]:
    out = io.StringIO()
    Console(file=out, width=TABLE_WIDTH).print(table(states, NOW))
    head, *lines = out.getvalue().splitlines()
    starts = [head.index(column) for column in COLUMNS] + [len(head) + 99]
    return [[line[a:b].rstrip() for a, b in itertools.pairwise(starts)] for line in lines]


def cell(column: str, *states: dict[str, Any]) -> str:
    return rows(*states)[0][list(COLUMNS).index(column)]


def test_a_gateway_with_one_secret_is_one_line() -> None:
    assert rows(state(target())) == [
        ["oslo", "Settled", "aaaa", "primary", "2026-12-11 12:00", "20 d", "10 d", "2/2"]
    ]


def test_what_is_next_does_not_look_as_if_it_were_done() -> None:
    assert cell("STATE", state(target(), state="InProgress", next_step="Adopt")) == "→ Adopt"


def test_the_secrets_of_a_gateway_that_has_several_have_a_row_each() -> None:
    later = {"fingerprint": "bbbb", "key": "secondary", "expires_at": "2026-12-20T12:00:00Z"}

    found = rows(
        state(
            target(),
            target(3, 1, name="west:apim/token", **later),
            unreachable=[{"name": "east:apim/token", "message": "away"}],
        )
    )

    assert found == [
        ["oslo", "Settled", "2 tokens", "-", "2026-12-11 12:00", "20 d", "10 d", "3/5"],
        ["  apim/token", "", "aaaa", "primary", "2026-12-11 12:00", "20 d", "", "2/2"],
        ["  west:apim/token", "", "bbbb", "secondary", "2026-12-20 12:00", "29 d", "", "1/3"],
        ["  east:apim/token", "", "-", "-", "-", "-", "", "-"],
    ]


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (target(running=0), "0/2"),
        (target(running=None), "?/2"),
        (target(assumed=True), "~2/2"),
        (target(workloads=[]), "-"),
    ],
)
def test_pods_are_counted_that_are_known_to_run_it(found: dict[str, Any], said: str) -> None:
    assert cell("PODS", state(found)) == said


def test_a_token_that_expired_or_is_dead_is_said_to_be() -> None:
    over = state(
        target(expires_at="2026-11-21T11:59:00Z", dead=True, key=None), due="Missing", renewal_at=None
    )

    assert rows(over)[0][3:7] == ["dead", "2026-11-21 11:59", "expired", "due"]


def test_a_secret_without_a_token_and_a_gateway_without_a_secret_have_nothing_to_show() -> None:
    empty = state(target(fingerprint=None, expires_at=None, key=None, running=None), due="Missing")
    unknown = {"name": "oslo", "state": "Unknown", "token": None, "renewal_at": None, "targets": []}

    assert rows(empty)[0][2:] == ["-", "-", "-", "-", "due", "?/2"]
    assert rows(unknown)[0][1:] == ["Unknown", "-", "-", "-", "-", "-", "-"]


def test_after_a_roll_back_it_is_told_when_it_is_tried_again() -> None:
    waiting = {"due": "Requested", "retry_at": "2026-11-21T12:30:00Z"}

    assert cell("RENEWS IN", state(target(), **waiting)) == "30 min"
    assert cell("RENEWS IN", state(target(), **waiting | {"retry_at": "2026-11-21T11:30:00Z"})) == "due"
    assert cell("RENEWS IN", state(target(), **waiting | {"due": None})) == "10 d"


def test_every_column_is_explained_within_a_terminal() -> None:
    lines = explained().splitlines()

    assert [column for column in COLUMNS if not any(line.startswith(f"{column}  ") for line in lines)] == []
    assert max(map(len, lines)) <= 76


def test_a_sentence_says_once_what_it_is_about() -> None:
    assert about("apim/token", "Secret apim/token does not exist") == "Secret apim/token does not exist"
    assert about("apim/token", "deployment/x does not exist") == "apim/token: deployment/x does not exist"

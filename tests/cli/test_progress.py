"""What is shown while it goes on."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.live import Live

from rotator.cli.progress import Lively, Plain

AWKWARD = "denied by policy [/data/x] [bold] is immutable"


def test_a_server_may_say_what_it_likes_in_square_brackets() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=120)
    with Live(console=console, auto_refresh=False) as live:
        lively = Lively(live)
        lively.tell("oslo", "Issue", AWKWARD)
        lively.end("oslo", "Refused", AWKWARD, good=False)
        live.refresh()
    assert "[/data/x] [bold] is immutable" in out.getvalue()


def test_waiting_does_not_flood_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    plain = Plain()
    for _ in range(20):
        plain.tell("oslo", "Issue", "issue one")
        plain.tell("oslo", "Waiting", "rotator-0 works on this gateway")
    plain.tell("oslo", "Await", "1 of 2 pods are new")
    plain.end("oslo", "Rotated", "a → b", good=True)
    assert capsys.readouterr().out.count("\n") == 4


def test_failures_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    Plain().end("oslo", "Refused", "no", good=False)
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err == "oslo: Refused: no\n"

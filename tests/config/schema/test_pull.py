"""[pull]: from which subscription events are fetched."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.config.conftest import Errors, Write
from tests.configuration import gateway

OFF = "[webhook]\nenabled = false\n"
PULL = OFF + (
    "[pull]\n"
    'endpoint = "https://contoso.westeurope-1.eventgrid.azure.net/"\n'
    'topic = "gateway-tokens"\n'
    'subscription = "rotator"\n'
)


def test_nothing_is_pulled_without_the_table(settings: Write) -> None:
    assert settings(OFF + gateway()).pull is None


def test_three_lines_are_enough(settings: Write) -> None:
    pull = settings(PULL + gateway()).pull
    assert pull is not None
    assert pull.endpoint == "https://contoso.westeurope-1.eventgrid.azure.net"
    assert (pull.max_events, pull.max_wait) == (100, timedelta(seconds=60))
    assert pull.audience == "https://eventgrid.azure.net"


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ('max_wait = "9s"', 'pull.max_wait: must be between "10s" and "120s"'),
        ('max_wait = "121s"', 'pull.max_wait: must be between "10s" and "120s"'),
        ("max_events = 101", "pull.max_events: must be between 1 and 100"),
        ("max_events = 0", "pull.max_events: must be between 1 and 100"),
        ('audience = "http://eventgrid.azure.net"', "pull.audience: "),
    ],
)
def test_limits_are_those_of_the_wire(errors: Errors, line: str, sentence: str) -> None:
    (said,) = errors(f"{PULL}{line}\n{gateway()}")
    assert sentence in said


@pytest.mark.parametrize("name", ["", "ab", "a/b:receive?", "/subscriptions/x/topics/y", "two words"])
def test_names_are_bare(errors: Errors, name: str) -> None:
    (said,) = errors(PULL.replace('"rotator"', f'"{name}"') + gateway())
    assert "pull.subscription: is not a name in Event Grid. Write the bare name" in said


def test_what_is_missing_is_asked_for(errors: Errors) -> None:
    assert [m.partition(" ")[0] for m in errors(f"{OFF}[pull]\n{gateway()}")] == [
        "pull.endpoint:",
        "pull.topic:",
        "pull.subscription:",
    ]

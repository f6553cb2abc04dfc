"""The table `[pull]`: fetch events from an Event Grid namespace, without a public port."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field

from rotator.config.schema.table import HttpsUrl, Table
from rotator.config.types.durations import Duration

MIN_WAIT, MAX_WAIT = timedelta(seconds=10), timedelta(seconds=120)
"""How long Event Grid may wait for an event before it answers."""
MAX_EVENTS = 100
"""Events in one answer."""


def _within_the_wire(wait: timedelta) -> timedelta:
    if not MIN_WAIT <= wait <= MAX_WAIT:
        raise ValueError('must be between "10s" and "120s", which is what Event Grid offers. Write "60s"')
    return wait


def _few_enough(events: int) -> int:
    if not 1 <= events <= MAX_EVENTS:
        raise ValueError(f"must be between 1 and {MAX_EVENTS}, which is what Event Grid offers. Write 100")
    return events


def _name(text: str) -> str:
    """Return text if it is a name of Event Grid, which cannot change the path of a URL."""
    if not re.fullmatch(r"[A-Za-z0-9-]{3,100}", text):
        raise ValueError(
            'is not a name in Event Grid. Write the bare name, not an ARM id: letters, digits and "-", '
            "3 at least"
        )
    return text


_Name = Annotated[str, AfterValidator(_name)]


class PullSettings(Table):
    """Which subscription of which namespace topic. Without this table the rotator pulls nothing.

    It signs in with the identity of `[azure]`. audience: of the bearer token; sovereign clouds may differ.
    """

    endpoint: HttpsUrl = Field(examples=['"https://<namespace>.<region>-1.eventgrid.azure.net"'])
    topic: _Name = Field(examples=['"gateway-tokens"'])
    subscription: _Name = Field(examples=['"rotator"'])
    audience: HttpsUrl = Field(
        default="https://eventgrid.azure.net", examples=['"https://eventgrid.azure.net"']
    )
    max_events: Annotated[int, AfterValidator(_few_enough)] = Field(default=MAX_EVENTS, examples=["100"])
    max_wait: Annotated[Duration, AfterValidator(_within_the_wire)] = Field(
        default=timedelta(seconds=60), examples=['"60s"']
    )

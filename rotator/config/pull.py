"""The table `[pull]`: events are fetched from an Event Grid namespace, no public port is needed."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field

from rotator.config.durations import Duration
from rotator.config.sections import HttpsUrl, Table

SHORTEST_WAIT, LONGEST_WAIT = timedelta(seconds=10), timedelta(seconds=120)


def _within_the_wire(wait: timedelta) -> timedelta:
    if not SHORTEST_WAIT <= wait <= LONGEST_WAIT:
        raise ValueError('must be between "10s" and "120s", which is what Event Grid offers')
    return wait


class PullSettings(Table):
    """Which subscription of which namespace topic. There is no pulling without this table; who pulls is
    the identity of `[azure]`. audience: whom a bearer token is for; sovereign clouds may differ.
    """

    endpoint: HttpsUrl = Field(examples=['"https://<namespace>.<region>-1.eventgrid.azure.net"'])
    topic: str = Field(min_length=1, examples=['"gateway-tokens"'])
    subscription: str = Field(min_length=1, examples=['"rotator"'])
    audience: HttpsUrl = Field(
        default="https://eventgrid.azure.net", examples=['"https://eventgrid.azure.net"']
    )
    max_events: int = Field(default=100, ge=1, le=100, examples=["100"])
    max_wait: Annotated[Duration, AfterValidator(_within_the_wire)] = Field(
        default=timedelta(seconds=60), examples=['"60s"']
    )

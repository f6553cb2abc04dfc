"""The table `[webhook]`: the public port, where Event Grid delivers."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field

from rotator.config.durations import Duration
from rotator.config.names import Address, Listen
from rotator.config.sections import Table


def _within_delivery(duration: timedelta) -> timedelta:
    if duration >= timedelta(seconds=30):
        raise ValueError('must be shorter than "30s": Event Grid waits no longer for an answer')
    return duration


class WebhookSettings(Table):
    """The public port, where Event Grid delivers."""

    enabled: bool = Field(default=True, examples=["true"])
    listen: Address = Field(default=Listen("0.0.0.0", 8080), examples=['"0.0.0.0:8080"'])
    allow_unauthenticated: bool = Field(default=False, examples=["true"])
    max_body_bytes: int = Field(default=1_572_864, ge=1, examples=["1_572_864"])
    body_timeout: Annotated[Duration, AfterValidator(_within_delivery)] = Field(
        default=timedelta(seconds=10), examples=['"10s"']
    )
    allowed_origins: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        default=("eventgrid.azure.net",), min_length=1, strict=False, examples=['["eventgrid.azure.net"]']
    )
    allowed_rate: int = Field(default=120, ge=1, examples=["120"])

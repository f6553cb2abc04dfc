"""Notices that this machine's clock and Azure's disagree: every answer of ARM carries Azure's time."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.core.rest import AsyncHttpResponse, HttpRequest

from rotator.clock_offset import describe_offset, measure_offset

log = logging.getLogger(__name__)

WORTH_TELLING = timedelta(minutes=2)
"""A `Date` has whole seconds and an answer takes some: less than this may be nothing."""
_SENT = "apim-token-rotator-sent"


class Skew(SansIOHTTPPolicy[HttpRequest, AsyncHttpResponse]):
    """offset: Azure's clock minus ours as of the last answer, None before the first.

    Decisions do not rest on it: requests and tokens are compared by stamps that no clock can
    turn round, and tokens live for days. It is told, for Kubernetes and TLS care sooner than we do.
    """

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        super().__init__()
        self._clock = clock
        self._told = False
        self.offset: timedelta | None = None

    def on_request(self, request: PipelineRequest[HttpRequest]) -> None:
        """Note when it was asked."""
        request.context[_SENT] = self._clock()

    def on_response(
        self,
        request: PipelineRequest[HttpRequest],
        response: PipelineResponse[HttpRequest, AsyncHttpResponse],
    ) -> None:
        """Compare. Never raises: an answer without a usable `Date` says nothing. One that waited for us while
        this process was held up was true at some moment since it was asked for: the best one counts.
        """
        measured = measure_offset(response.http_response.headers, request.context.get(_SENT), self._clock())
        if measured is None:
            return
        self.offset = offset = measured.nearest(timedelta())
        if (off := abs(offset) > WORTH_TELLING) != self._told:
            self._told = off
            self._tell(offset, off=off)

    @staticmethod
    def _tell(offset: timedelta, *, off: bool) -> None:
        seconds = round(offset.total_seconds())
        if not off:
            log.info("this machine's clock agrees with Azure's again", extra={"seconds": seconds})
            return
        log.warning(
            "this machine's clock is %s Azure's: set it right (NTP). Rotations go on",
            describe_offset(offset),
            extra={"seconds": seconds},
        )

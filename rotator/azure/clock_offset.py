"""Compares this machine's clock with Azure's: every answer of ARM carries Azure's time."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.core.rest import AsyncHttpResponse, HttpRequest

from rotator.clock_offset import describe_offset, measure_offset

log = logging.getLogger(__name__)

REPORTED_OFFSET = timedelta(minutes=2)
"""An offset above this is logged. A `Date` has whole seconds, and an answer takes time to arrive."""
_SENT = "apim-token-rotator-sent"


class ClockOffsetPolicy(SansIOHTTPPolicy[HttpRequest, AsyncHttpResponse]):
    """offset: Azure's clock minus this machine's as of the last answer; None before the first.

    No decision uses it: tokens live for days, and the times in records only grow. It is logged and measured
    because TLS and Kubernetes fail sooner than the rotator does.
    """

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        super().__init__()
        self._clock = clock
        self._reported = False
        self.offset: timedelta | None = None

    def on_request(self, request: PipelineRequest[HttpRequest]) -> None:
        """Note when the request was sent."""
        request.context[_SENT] = self._clock()

    def on_response(
        self,
        request: PipelineRequest[HttpRequest],
        response: PipelineResponse[HttpRequest, AsyncHttpResponse],
    ) -> None:
        """Compare the answer's `Date` with this machine's clock. Never raises; ignores an unusable `Date`.

        An answer may be read late if this process was suspended. The smallest offset that explains it counts.
        """
        measured = measure_offset(response.http_response.headers, request.context.get(_SENT), self._clock())
        if measured is None:
            return
        self.offset = offset = measured.nearest(timedelta())
        if (off := abs(offset) > REPORTED_OFFSET) != self._reported:
            self._reported = off
            self._log(offset, off=off)

    @staticmethod
    def _log(offset: timedelta, *, off: bool) -> None:
        seconds = round(offset.total_seconds())
        if not off:
            log.info("this machine's clock agrees with Azure's again", extra={"seconds": seconds})
            return
        log.warning(
            "this machine's clock is %s Azure's. Check NTP on this machine. Rotations continue",
            describe_offset(offset),
            extra={"seconds": seconds},
        )

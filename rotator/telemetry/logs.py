"""Log lines: JSON in a pod, pretty on a terminal. The records of libraries take the same path."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from rotator.redaction import redact

Format = Literal["auto", "json", "pretty"]

LIBRARY_LEVELS = {
    "aiohttp": logging.WARNING,
    "apscheduler": logging.WARNING,
    "asyncio": logging.WARNING,
    "azure": logging.WARNING,
    "kubernetes": logging.WARNING,
    "kubernetes.aio.config": logging.CRITICAL,  # quotes what an exec plugin says, which may be a secret
    "msal": logging.WARNING,
    "tzlocal": logging.WARNING,
    "urllib3": logging.WARNING,
    "uvicorn": logging.ERROR,
}
"""The lowest level that each library logs at: below, it would log headers, bodies or what clients send."""


def configure(level: str, format: Format = "auto", stream: TextIO | None = None) -> None:  # noqa: A002 - as in the configuration file
    """Send every log record of this process to stream (standard error) from now on. Repeatable.

    level: debug, info, warning, error. auto: pretty if stream is a terminal, else JSON.
    """
    stream = stream or sys.stderr
    pretty = format == "pretty" or (format == "auto" and stream.isatty())
    threshold = logging.getLevelNamesMapping()[level.upper()]
    handler = _Handler(stream)
    handler.setFormatter(_formatter(pretty=pretty, colors=pretty and stream.isatty()))
    root = logging.getLogger()
    for old in [h for h in root.handlers if isinstance(h, _Handler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(threshold)
    for name, least in LIBRARY_LEVELS.items():
        logging.getLogger(name).setLevel(max(threshold, least))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


class _Handler(logging.StreamHandler[TextIO]):
    """Reports its own failure without the record, whose arguments the standard library would print."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the standard library's name
        error = sys.exc_info()[0]
        if sys.stderr and error is not BrokenPipeError:
            what = error.__name__ if error else "error"
            print(f"a log record of {record.name} could not be written: {what}", file=sys.stderr)  # noqa: T201


class _Redacting(structlog.stdlib.ProcessorFormatter):
    """Redacts the finished line, so that names, values and tracebacks are all covered."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


def _formatter(*, pretty: bool, colors: bool) -> logging.Formatter:
    renderer: Processor = structlog.processors.JSONRenderer(default=str, ensure_ascii=True)
    if pretty:
        renderer = structlog.dev.ConsoleRenderer(
            colors=colors, exception_formatter=structlog.dev.plain_traceback, sort_keys=False
        )
    return _Redacting(
        foreign_pre_chain=[*_shared(), structlog.stdlib.ExtraAdder()],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,  # frames only, no local variables
            _in_order,
            renderer,
        ],
    )


def _shared() -> Sequence[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]


def _in_order(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Put timestamp, level, logger and event first."""
    first = {name: event[name] for name in ("timestamp", "level", "logger", "event") if name in event}
    return {**first, **event}

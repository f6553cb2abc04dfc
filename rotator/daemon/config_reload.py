"""Reads the configuration, and again whenever it or a file behind it changes. A bad one changes nothing."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Coroutine, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from rotator.config import Settings, load
from rotator.daemon.file_watch import FileWatch, Look
from rotator.daemon.resources import Hanging, Resources, files_of
from rotator.diagnostics import exception_details
from rotator.errors import ConfigError, RotatorError

log = logging.getLogger(__name__)

EVERY = timedelta(seconds=5)
SETTLING = timedelta(seconds=1)
"""A change is looked at twice, so far apart: files may be half-written."""
RETRY = timedelta(minutes=1)
"""What could not be used for a reason outside the files (a port that is taken) is tried again."""

T = TypeVar("T")
Prepare = Callable[[Settings], Coroutine[Any, Any, Resources]]


class Asked:
    """What the signals ask for. Set from signal handlers, in the event loop."""

    def __init__(self) -> None:
        self.reload = False
        self._leave = asyncio.Event()
        self._news = asyncio.Event()

    @property
    def leave(self) -> bool:
        return self._leave.is_set()

    def to_leave(self) -> None:
        self._leave.set()
        self._news.set()

    def to_reload(self) -> None:
        self.reload = True
        self._news.set()

    async def within(self, wait: timedelta) -> None:
        """Return as soon as something is asked for that was not seen yet, else after wait."""
        try:
            async with asyncio.timeout(0 if self.leave else wait.total_seconds()):
                await self._news.wait()
        except TimeoutError:
            return
        self._news.clear()

    async def unless_leaving(self, work: Coroutine[Any, Any, T]) -> T | None:
        """Return what work does; None if the process is asked to leave before: work is called off then."""
        working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(self._leave.wait())
        try:
            await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
            return working.result() if working.done() else None
        finally:
            for task in (working, leaving):
                task.cancel()
            await asyncio.gather(working, leaving, return_exceptions=True)


class Reload:
    """prepare: opens what settings ask for, and may refuse. refused, accepted: called with the mistakes of
    a configuration that cannot be used, and when the files are all right again without a new generation.
    """

    def __init__(
        self,
        config: Path,
        environ: Mapping[str, str],
        asked: Asked,
        prepare: Prepare,
        refused: Callable[[tuple[str, ...]], None],
        accepted: Callable[[], None],
    ) -> None:
        self._config = config
        self._environ = environ
        self._asked = asked
        self._prepare = prepare
        self._refused = refused
        self._accepted = accepted
        self._watched = FileWatch([config])
        self._settings: Settings
        self._in_force: Mapping[Path, bytes | None] = {}
        self._mistakes: tuple[str, ...] = ()
        self._tried_at = 0.0

    async def first(self) -> Resources | None:
        """Read the configuration; None when the process is asked to leave. Nothing is in force yet: raises
        ConfigError, Refused, Unavailable.
        """
        settings = load(self._config, self._environ)
        self._watched.follow(files_of(self._config, settings, self._environ))
        resources = await self._asked.unless_leaving(self._prepare(settings))
        self._in_force, self._settings = self._watched.accepted, settings
        return resources

    async def following(self) -> Resources | None:
        """Return what the next generation works with; None when the process is asked to leave."""
        wait = EVERY
        while True:
            await self._asked.within(wait)
            if self._asked.leave:
                return None
            look = self._watched.look()
            if look.changed and not look.steady:
                wait = SETTLING
                continue
            wait = EVERY
            # A plugin behind a kubeconfig may take its time: whoever asks us to leave does not wait for it.
            if self._due(look) and (resources := await self._asked.unless_leaving(self._again(look))):
                return resources

    def _due(self, look: Look) -> bool:
        """Whether to read the configuration now."""
        by_hand, self._asked.reload = self._asked.reload, False
        if look.changed:
            return True
        if self._mistakes:
            return by_hand or _monotonic() - self._tried_at > RETRY.total_seconds()
        if by_hand:
            log.info("asked to reload: nothing has changed")
        return False

    async def _again(self, look: Look) -> Resources | None:
        self._tried_at = _monotonic()
        self._watched.accept()
        if self._back_in_force():
            self._fine("the files are again as they were when they were last put into force")
            return None
        try:
            resources = await self._read()
        except ConfigError as error:
            self._wrong(error.mistakes, look)
        except RotatorError as error:
            self._wrong((str(error),), look)
            if isinstance(error, Hanging):
                self._tried_at = math.inf  # not by itself: only when a file changes, or somebody asks
        except Exception as error:  # noqa: BLE001 - whatever it is, the generation before goes on
            log.error("reading the configuration failed", extra=exception_details(error))  # noqa: TRY400 - see mishaps
            self._wrong((f"a defect of the rotator ({type(error).__name__})",), look)
        else:
            self._mistakes = ()
            self._in_force = self._watched.accepted
            return resources
        return None

    async def _read(self) -> Resources | None:
        """Return None if the file says the same in other words."""
        settings = load(self._config, self._environ)
        # Before they are opened: what changes from now on is seen at the next look. The files of the
        # generation in force are not let out of sight either: it may be they that are mended.
        self._watched.follow(files_of(self._config, settings, self._environ) | self._in_force.keys())
        if self._differing() <= {self._config} and settings == self._settings:
            self._fine("the configuration says the same as before")
            return None
        resources = await self._prepare(settings)
        self._settings = settings
        self._watched.follow(files_of(self._config, settings, self._environ))
        return resources

    def _back_in_force(self) -> bool:
        return not self._differing()

    def _differing(self) -> frozenset[Path]:
        """Return the files that say something else than when they were put into force. Not the last look's
        changes: a file that was refused is known by now, and not in force for that.
        """
        now = self._watched.accepted
        return frozenset(path for path, digest in self._in_force.items() if now.get(path) != digest)

    def _fine(self, sentence: str) -> None:
        self._mistakes = ()
        log.info(sentence)
        self._accepted()

    def _wrong(self, mistakes: tuple[str, ...], look: Look) -> None:
        """Tell it once, and again only if the files changed or something else is wrong."""
        told = not look.changed and mistakes == self._mistakes
        self._mistakes = mistakes
        if not told:
            self._refused(mistakes)


def _monotonic() -> float:
    return asyncio.get_running_loop().time()

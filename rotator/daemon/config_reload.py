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
from rotator.daemon.file_watch import FileChanges, FileWatch
from rotator.daemon.resources import PluginTimeout, Resources, files_of
from rotator.diagnostics import exception_details
from rotator.errors import ConfigError, RotatorError

log = logging.getLogger(__name__)

CHECK_INTERVAL = timedelta(seconds=5)
"""Time between two checks of the files."""
SETTLE_INTERVAL = timedelta(seconds=1)
"""Time between the two checks that a change has to survive: files may be half-written."""
RETRY_INTERVAL = timedelta(minutes=1)
"""Time until the next try of a configuration that failed for a reason outside the files: a port in use."""

T = TypeVar("T")
Prepare = Callable[[Settings], Coroutine[Any, Any, Resources]]


class Signals:
    """What the process was asked for by signals. Signal handlers set it, in the event loop."""

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
        """Return as soon as a signal arrives, at the latest after wait."""
        try:
            async with asyncio.timeout(0 if self.leave else wait.total_seconds()):
                await self._news.wait()
        except TimeoutError:
            return
        self._news.clear()

    async def unless_leaving(self, work: Coroutine[Any, Any, T]) -> T | None:
        """Return the result of work; cancel work and return None if the process is asked to leave before."""
        working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(self._leave.wait())
        try:
            await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
            return working.result() if working.done() else None
        finally:
            for task in (working, leaving):
                task.cancel()
            await asyncio.gather(working, leaving, return_exceptions=True)


class ConfigReload:
    """Opens the resources for each configuration that differs from the one in force.

    prepare: opens what settings ask for; raises if they cannot be used. refused: called with the errors of
    a configuration that cannot be used. accepted: called when the files are valid again without a new
    generation.
    """

    def __init__(
        self,
        config: Path,
        environ: Mapping[str, str],
        signals: Signals,
        prepare: Prepare,
        refused: Callable[[tuple[str, ...]], None],
        accepted: Callable[[], None],
    ) -> None:
        self._config = config
        self._environ = environ
        self._signals = signals
        self._prepare = prepare
        self._refused = refused
        self._accepted = accepted
        self._files = FileWatch([config])
        self._settings: Settings
        self._in_force: Mapping[Path, bytes | None] = {}
        self._errors: tuple[str, ...] = ()
        self._tried_at = 0.0

    async def first(self) -> Resources | None:
        """Return the resources of the first generation; None when the process is asked to leave.

        Raises:
            ConfigError, Refused, Unavailable: the configuration cannot be used, and none is in force yet.
        """
        settings = load(self._config, self._environ)
        self._files.follow(files_of(self._config, settings, self._environ))
        resources = await self._signals.unless_leaving(self._prepare(settings))
        self._in_force, self._settings = self._files.accepted, settings
        return resources

    async def following(self) -> Resources | None:
        """Return the resources of the next generation; None when the process is asked to leave."""
        wait = CHECK_INTERVAL
        while True:
            await self._signals.within(wait)
            if self._signals.leave:
                return None
            changes = self._files.changes()
            if changes.changed and not changes.steady:
                wait = SETTLE_INTERVAL
                continue
            wait = CHECK_INTERVAL
            # An exec plugin behind a kubeconfig may be slow: a request to leave does not wait for it.
            if self._due(changes) and (resources := await self._signals.unless_leaving(self._again(changes))):
                return resources

    def _due(self, changes: FileChanges) -> bool:
        """Whether to read the configuration now."""
        by_hand, self._signals.reload = self._signals.reload, False
        if changes.changed:
            return True
        if self._errors:
            return by_hand or _monotonic() - self._tried_at > RETRY_INTERVAL.total_seconds()
        if by_hand:
            log.info("asked to reload: nothing has changed")
        return False

    async def _again(self, changes: FileChanges) -> Resources | None:
        self._tried_at = _monotonic()
        self._files.accept()
        if self._back_in_force():
            self._fine("the files are again as they were when they were last put into force")
            return None
        try:
            resources = await self._read()
        except ConfigError as error:
            self._wrong(error.errors, changes)
        except RotatorError as error:
            self._wrong((str(error),), changes)
            if isinstance(error, PluginTimeout):
                self._tried_at = math.inf  # no retry by itself: only when a file changes, or on SIGHUP
        except Exception as error:  # noqa: BLE001 - the generation in force continues whatever the error
            log.error("reading the configuration failed", extra=exception_details(error))  # noqa: TRY400 - see diagnostics
            self._wrong((f"a defect of the rotator ({type(error).__name__})",), changes)
        else:
            self._errors = ()
            self._in_force = self._files.accepted
            return resources
        return None

    async def _read(self) -> Resources | None:
        """Return the resources for what the files say now; None if the settings are the same as before."""
        settings = load(self._config, self._environ)
        # Before the files are opened, so that the next check sees what changes from now on. The files of the
        # generation in force stay watched: the operator may correct these.
        self._files.follow(files_of(self._config, settings, self._environ) | self._in_force.keys())
        if self._differing() <= {self._config} and settings == self._settings:
            self._fine("the configuration says the same as before")
            return None
        resources = await self._prepare(settings)
        self._settings = settings
        self._files.follow(files_of(self._config, settings, self._environ))
        return resources

    def _back_in_force(self) -> bool:
        return not self._differing()

    def _differing(self) -> frozenset[Path]:
        """Return the files whose content differs from what is in force. These are not the changes of the last
        check: a file that was refused is known by now, but it is not in force.
        """
        now = self._files.accepted
        return frozenset(path for path, digest in self._in_force.items() if now.get(path) != digest)

    def _fine(self, sentence: str) -> None:
        self._errors = ()
        log.info(sentence)
        self._accepted()

    def _wrong(self, errors: tuple[str, ...], changes: FileChanges) -> None:
        """Report the errors once, and again only if the files or the errors changed."""
        told = not changes.changed and errors == self._errors
        self._errors = errors
        if not told:
            self._refused(errors)


def _monotonic() -> float:
    return asyncio.get_running_loop().time()

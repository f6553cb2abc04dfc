"""Notices when files say something else than before: edited in place, or swapped by a symbolic link."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

_Stamp = tuple[str, int, int, int]


@dataclass(frozen=True, slots=True)
class Look:
    """changed: the files that say something else than what was accepted. steady: all files say what they
    said at the look before, so that nobody is in the middle of writing them.
    """

    changed: frozenset[Path]
    steady: bool


@dataclass(frozen=True, slots=True)
class _Sight:
    """digest: of the content; None if there is no file that can be read."""

    stamp: _Stamp | None
    digest: bytes | None


class FileWatch:
    """A set of files, and what was accepted of each. Contents are not kept, only their digests.

    A look at files that did not change costs a few system calls each: a Kubernetes volume is swapped by
    a symbolic link, so where a path leads to is part of what is compared.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._last = {path: _see(path) for path in paths}
        self._accepted = self._digests()

    @property
    def accepted(self) -> Mapping[Path, bytes | None]:
        """What was accepted, by file: the digest of its content, None if there was none."""
        return dict(self._accepted)

    def look(self) -> Look:
        before = self._digests()
        self._last = {path: self._again(path) for path in self._last}
        now = self._digests()
        changed = frozenset(path for path, digest in now.items() if digest != self._accepted[path])
        return Look(changed, steady=before == now)

    def accept(self) -> None:
        """Take what the last look saw as what is known: it is no change any more."""
        self._accepted = self._digests()

    def follow(self, paths: Iterable[Path]) -> None:
        """Watch these from now on. A file that is new here is accepted as it is."""
        wanted = frozenset(paths)
        self._last = {path: self._last.get(path) or _see(path) for path in wanted}
        self._accepted = {path: self._accepted.get(path, sight.digest) for path, sight in self._last.items()}

    def _again(self, path: Path) -> _Sight:
        last = self._last[path]
        # A file that changed is read again at each look: it may be written within one tick of its clock.
        known = last.stamp is not None and last.digest == self._accepted[path]
        return last if known and last.stamp == _stamp(path) else _see(path)

    def _digests(self) -> dict[Path, bytes | None]:
        return {path: sight.digest for path, sight in self._last.items()}


def _see(path: Path) -> _Sight:
    stamp = _stamp(path)  # before the content: what is written in between is read once more, not missed
    try:
        return _Sight(stamp, hashlib.sha256(path.read_bytes()).digest())
    except OSError:
        return _Sight(None, None)


def _stamp(path: Path) -> _Stamp | None:
    try:
        found = path.stat()
        return os.path.realpath(path), found.st_mtime_ns, found.st_size, found.st_ino
    except OSError:
        return None

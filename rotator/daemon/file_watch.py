"""Notices changed files, whether they are edited in place or swapped by a symbolic link."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

_Stamp = tuple[str, int, int, int]


@dataclass(frozen=True, slots=True)
class FileChanges:
    """changed: the files whose content differs from what was accepted. steady: no content changed since the
    check before, so no writer is half-way through.
    """

    changed: frozenset[Path]
    steady: bool


@dataclass(frozen=True, slots=True)
class _FileState:
    """digest: of the content; None if there is no file that can be read."""

    stamp: _Stamp | None
    digest: bytes | None


class FileWatch:
    """A set of files, and the digest of the content that was accepted of each.

    A check of a file that did not change costs a few system calls. Kubernetes swaps a volume by a symbolic
    link, so the comparison includes the path that a link resolves to.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._last = {path: _read(path) for path in paths}
        self._accepted = self._digests()

    @property
    def accepted(self) -> Mapping[Path, bytes | None]:
        """The accepted digest of each file; None if there was no file that could be read."""
        return dict(self._accepted)

    def changes(self) -> FileChanges:
        """Check all files."""
        before = self._digests()
        self._last = {path: self._current(path) for path in self._last}
        now = self._digests()
        changed = frozenset(path for path, digest in now.items() if digest != self._accepted[path])
        return FileChanges(changed, steady=before == now)

    def accept(self) -> None:
        """Accept the contents of the last check: they are no change any more."""
        self._accepted = self._digests()

    def follow(self, paths: Iterable[Path]) -> None:
        """Watch exactly these files from now on. A new one is accepted as it is."""
        wanted = frozenset(paths)
        self._last = {path: self._last.get(path) or _read(path) for path in wanted}
        self._accepted = {path: self._accepted.get(path, state.digest) for path, state in self._last.items()}

    def _current(self, path: Path) -> _FileState:
        last = self._last[path]
        # A file that changed is read at each check: it may change twice within one tick of its time stamp.
        known = last.stamp is not None and last.digest == self._accepted[path]
        return last if known and last.stamp == _stamp(path) else _read(path)

    def _digests(self) -> dict[Path, bytes | None]:
        return {path: state.digest for path, state in self._last.items()}


def _read(path: Path) -> _FileState:
    stamp = _stamp(path)  # before the content, so that a write in between is read again and not missed
    try:
        return _FileState(stamp, hashlib.sha256(path.read_bytes()).digest())
    except OSError:
        return _FileState(None, None)


def _stamp(path: Path) -> _Stamp | None:
    try:
        found = path.stat()
        return os.path.realpath(path), found.st_mtime_ns, found.st_size, found.st_ino
    except OSError:
        return None

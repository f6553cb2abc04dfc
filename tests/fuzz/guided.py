"""A small coverage-guided fuzzer, for every Python that the rotator runs on: what reaches new code is kept."""

from __future__ import annotations

import random
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from tests.fuzz.mutate import mutate

ROTATOR = str(Path(__file__).parents[2] / "rotator")
Run = Callable[[bytes], None]
Edge = tuple[CodeType, int, int]
"""One line of a function after another, or after its beginning (0)."""


@dataclass(frozen=True, slots=True)
class Target:
    """run: takes any bytes; what it raises is a finding. seeds: good inputs, at least one."""

    name: str
    run: Run
    seeds: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Finding:
    """where: type of the error and its innermost lines in the rotator: what differs there is another one."""

    where: str
    data: bytes = field(repr=False)


@dataclass(slots=True)
class Campaign:
    """What a run of the fuzzer did. edges_before: those that the seeds reach."""

    inputs: int = 0
    seconds: float = 0.0
    edges_before: int = 0
    edges: set[Edge] = field(default_factory=set)
    corpus: list[bytes] = field(default_factory=list)
    findings: dict[str, Finding] = field(default_factory=dict)

    def told(self, name: str) -> str:
        return (
            f"fuzzing {name}: {self.inputs} inputs in {self.seconds:.1f} s, "
            f"{self.edges_before} edges by the seeds, {len(self.edges)} in the end, "
            f"{len(self.corpus)} inputs kept, {len(self.findings)} findings"
        )


def fuzz(
    target: Target, inputs: int, seed: int, corpus: Sequence[bytes] = (), under: str = ROTATOR
) -> Campaign:
    """Run target with its seeds, the corpus and then mutations of what reached new code under a path."""
    done, dice, begun = Campaign(), random.Random(seed), time.monotonic()
    for data in (*target.seeds, *corpus):
        _try(target.run, data, done, under)
    done.edges_before = len(done.edges)
    while done.inputs < inputs:
        # The youngest have been bent least often.
        kept = done.corpus[-20:] if dice.random() < 0.5 else done.corpus
        _try(target.run, mutate(dice.choice(kept), dice, done.corpus), done, under, bent=True)
    done.seconds = time.monotonic() - begun
    return done


def _try(run: Run, data: bytes, done: Campaign, under: str, *, bent: bool = False) -> None:
    done.inputs += 1
    seen, error = _edges(run, data, under)
    if error:
        where = _where(error)
        known = done.findings.get(where)
        if known is None or len(data) < len(known.data):
            done.findings[where] = Finding(where, data)
    if new := seen - done.edges:
        done.edges |= new
        data = _trimmed(run, data, new, under) if bent else data
    if new or not done.corpus:
        done.corpus.append(data)


def _trimmed(run: Run, data: bytes, wanted: set[Edge], under: str) -> bytes:
    """Return data without the pieces that it needs not to reach what is new: the rest is bent in vain."""
    size = len(data) // 2
    while size >= max(4, len(data) // 8):
        for at in range(len(data) - size, -1, -size):
            shorter = data[:at] + data[at + size :]
            if wanted <= _edges(run, shorter, under)[0]:
                data = shorter
        size //= 2
    return data


def _edges(run: Run, data: bytes, under: str) -> tuple[set[Edge], Exception | None]:
    seen: set[Edge] = set()
    try:
        with _Traced(seen, under):
            run(data)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
        return seen, error
    return seen, None


def _where(error: Exception) -> str:
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "/rotator/" in f.filename]
    places = [f"{Path(f.filename).name}:{f.lineno}" for f in frames[-2:]]
    said = str(error)[:200] if isinstance(error, AssertionError) else ""
    return f"{type(error).__name__} {' '.join(places)} {said}".strip()


class _Traced:
    """Adds the edges under a path that are passed inside `with` to seen. Any debugger is away meanwhile."""

    def __init__(self, seen: set[Edge], under: str) -> None:
        self._seen = seen
        self._under = under
        self._before: Any = None

    def __enter__(self) -> None:
        self._before = sys.gettrace()
        sys.settrace(self._call)

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._before)

    def _call(self, frame: FrameType, _: str, __: object) -> Callable[..., Any] | None:
        code = frame.f_code
        if not code.co_filename.startswith(self._under):
            return None
        seen, last = self._seen, 0

        def line(frame: FrameType, event: str, _: object) -> Callable[..., Any]:
            nonlocal last
            if event == "line":
                seen.add((code, last, frame.f_lineno))
                last = frame.f_lineno
            return line

        return line

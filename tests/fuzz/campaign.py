"""Many requests, eight at a time, and what is asked of the server afterwards."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.edges import CANARY
from tests.fuzz.odd_requests import BEARER, Request
from tests.fuzz.port import DOORS, SECRET, WRONG, Answer, Ports, judge, serving

UNSPEAKABLE = (SECRET, WRONG, CANARY, BEARER.rpartition(".")[2])
MOST_SERIES = 60
"""Kinds of events × outcomes: no text of a sender becomes a label."""


@dataclass(slots=True)
class Campaign:
    runner: asyncio.Runner
    ports: Ports
    answers: Counter[int] = field(default_factory=Counter)
    begun: float = field(default_factory=time.monotonic)

    def throw(self, batch: list[Request]) -> None:
        """Send the requests at the same time, judge the answers, and what was said meanwhile."""
        for (door, parts), answer in zip(batch, self.runner.run(self._all(batch)), strict=True):
            self.answers[answer.status] += 1
            judge(answer, door, parts)
        self.heard()

    async def _all(self, batch: list[Request]) -> list[Answer]:
        return await asyncio.gather(*(self.ports.send(door, parts) for door, parts in batch))

    def heard(self) -> None:
        """Nothing was unhandled, no line is an error, and none holds a credential."""
        witness = self.ports.witness
        unhandled, witness.unhandled = witness.unhandled, []
        assert unhandled == []
        for line in witness.lines():
            assert json.loads(line)["level"] in {"debug", "info", "warning"}, line[:500]
            assert not any(said in line for said in UNSPEAKABLE), line[:500]

    def well(self) -> None:
        """The server still takes good deliveries, at every door, and its metrics stay few."""
        for door in DOORS:
            answer = self.runner.run(self.ports.good(door))
            assert answer.status == 200 or (door, answer.status) == ("narrow", 429), (door, answer)
        text, _ = self.ports.metrics.render()
        assert text.count(b"rotator_events_total{") < MOST_SERIES

    def told(self) -> str:
        answers = ", ".join(
            f"{status if status > 0 else 'none'}: {n}" for status, n in sorted(self.answers.items())
        )
        return f"{self.answers.total()} requests in {time.monotonic() - self.begun:.1f} s; answers {answers}"


@contextmanager
def campaign(folder: Path) -> Iterator[Campaign]:
    """Serve all doors for as long as the context lasts; only while something is thrown does time pass."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        ports = runner.run(stack.enter_async_context(serving(folder)))
        made = Campaign(runner, ports)
        try:
            yield made
        finally:
            runner.run(stack.aclose())

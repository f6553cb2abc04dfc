"""Shows progress: a live table on a terminal, one plain line per change elsewhere."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text


class Progress(Protocol):
    def tell(self, gateway: str, word: str, text: str) -> None:
        """Show the gateway's step or state (word) and a sentence."""
        ...

    def end(self, gateway: str, word: str, text: str, *, good: bool) -> None:
        """Show how it ended."""
        ...


class Plain:
    """A line per change, for pipes, logs and CI."""

    def __init__(self) -> None:
        self._said: dict[str, deque[tuple[str, str]]] = {}

    def tell(self, gateway: str, word: str, text: str) -> None:
        said = self._said.setdefault(gateway, deque(maxlen=2))  # waiting alternates between two
        if (word, text) not in said:
            said.append((word, text))
            print(f"{gateway}: {word}: {text}", flush=True)

    def end(self, gateway: str, word: str, text: str, *, good: bool) -> None:
        print(f"{gateway}: {word}: {text}", file=sys.stdout if good else sys.stderr, flush=True)


class Lively:
    """One row per gateway that changes in place."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._rows: dict[str, tuple[object, str, str]] = {}

    def tell(self, gateway: str, word: str, text: str) -> None:
        icon = self._rows.get(gateway, (None, "", ""))[0]
        self._rows[gateway] = icon if isinstance(icon, Spinner) else Spinner("dots"), word, text
        self._live.update(self._table())

    def end(self, gateway: str, word: str, text: str, *, good: bool) -> None:
        self._rows[gateway] = Text("✔", "green") if good else Text("✘", "red"), word, text
        self._live.update(self._table())

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 1))
        for gateway, (icon, word, text) in self._rows.items():
            table.add_row(icon, Text(gateway, "bold"), Text(word, "cyan"), Text(text))  # type: ignore[arg-type]  # a renderable
        return table


@contextmanager
def shown() -> Iterator[Progress]:
    """Return the display that fits standard output."""
    console = Console()
    if not console.is_terminal:
        yield Plain()
        return
    with Live(console=console, refresh_per_second=10) as live:
        yield Lively(live)

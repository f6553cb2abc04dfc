"""What the play works with, once the curtain is up."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from sandbox import Sandbox
from sandbox.demo.output import Programme
from sandbox.demo.process import Daemon
from sandbox.fleet import Deployed


@dataclass(slots=True)
class Stage:
    sandbox: Sandbox
    daemon: Daemon
    config: Path
    deployed: dict[str, Deployed]
    programme: Programme
    before: dict[str, list[str]] = field(default_factory=dict)
    """The names of each gateway's pods when the curtain rose."""

    def ports(self) -> dict[str, int]:
        started = next(x for x in self.daemon.lines if x["event"] == "started")
        ports: dict[str, int] = started["ports"]
        return ports

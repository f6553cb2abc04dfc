"""What the scenario works with once the sandbox and the daemon run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sandbox import Sandbox
from sandbox.demo.output import Output
from sandbox.demo.process import Daemon
from sandbox.fleet import Deployed


@dataclass(frozen=True, slots=True)
class State:
    """`pods_before`: the names of each gateway's pods before the daemon started."""

    sandbox: Sandbox
    daemon: Daemon
    config: Path
    deployed: dict[str, Deployed]
    output: Output
    pods_before: dict[str, list[str]]

    def ports(self) -> dict[str, int]:
        """The ports on which the daemon listens, by the name of the listener. It must have started."""
        started = next(line for line in self.daemon.lines if line["event"] == "started")
        ports: dict[str, int] = started["ports"]
        return ports

"""What runs in a container: the one door through which the cluster meets the rest of the sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol

from sandbox.cluster.resources import Json


class Verdict(StrEnum):
    """What became of a container's start."""

    READY = "ready"
    CRASH = "crash"
    NEVER_READY = "never-ready"


class Program(Protocol):
    """Every container of the cluster runs this one program."""

    async def start(self, pod: Json, env: Mapping[str, str]) -> Verdict:
        """A container starts with this environment. Called again, with a new one, at each restart."""

    async def stop(self, pod: Json) -> None:
        """The pod's container stops: crash, deletion, end of the cluster. Only after a start."""

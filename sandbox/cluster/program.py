"""The interface between the cluster and the program that runs in its containers."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol

from sandbox.common import Json


class Verdict(StrEnum):
    """The result of a container's start."""

    READY = "ready"
    CRASH = "crash"
    NEVER_READY = "never-ready"


class Program(Protocol):
    """The program that every container of the cluster runs."""

    async def start(self, pod: Json, env: Mapping[str, str]) -> Verdict:
        """Start a container with this environment. Each restart calls it again with a new environment."""

    async def stop(self, pod: Json) -> None:
        """Stop the pod's container after a start: at a crash, a deletion, or the end of the cluster."""

"""Reads a Dockerfile: stages, instructions, continued lines joined."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Instruction:
    """Such as ("RUN", "python -m venv …")."""

    word: str
    rest: str


@dataclass(slots=True)
class Stage:
    image: str
    name: str
    instructions: list[Instruction] = field(default_factory=list)

    def all(self, word: str) -> list[str]:
        """Return what follows each instruction of this word."""
        return [i.rest for i in self.instructions if i.word == word]


def stages(path: Path = ROOT / "Dockerfile") -> list[Stage]:
    """Return the stages in their order."""
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    found: list[Stage] = []
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        if not line.strip():
            continue
        word, _, rest = line.partition(" ")
        if word == "FROM":
            image, _, name = rest.partition(" AS ")
            found.append(Stage(image, name))
        else:
            found[-1].instructions.append(Instruction(word, rest.strip()))
    return found


def included(root: Path = ROOT) -> set[str]:
    """Return the names at the top that .dockerignore lets into the build."""
    lines = [x.strip() for x in (root / ".dockerignore").read_text().splitlines()]
    return {x[1:] for x in lines if x.startswith("!")}

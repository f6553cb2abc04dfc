"""`rotator`, which writes down the functions that one delivery passes: `python tests/process/walked.py FILE run ...`.

After SIGUSR1 it notes each function of `rotator/` that the next delivery calls, in the order of the first call,
until the event's request is on the Secret; then it writes FILE, one `module:function` a line.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from contextvars import ContextVar
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

ROOT = str(Path(__file__).parents[2] / "rotator") + "/"
ANONYMOUS = {"<genexpr>", "<listcomp>", "<dictcomp>", "<setcomp>", "<lambda>"}
of_the_delivery: ContextVar[bool] = ContextVar("of_the_delivery", default=False)


class Tracer:
    def __init__(self, file: Path) -> None:
        self.file = file
        self.passed: dict[str, None] = {}

    def start(self, *_: object) -> None:
        sys.setprofile(self.note)

    def note(self, frame: FrameType, event: str, result: Any) -> None:
        code = frame.f_code
        if not code.co_filename.startswith(ROOT):
            return
        if event == "call" and code.co_name not in ANONYMOUS and self._belongs(frame):
            self.passed[name(code)] = None
        if event == "return" and name(code) == "rotation.request:request" and str(result) == "accepted":
            sys.setprofile(None)
            self.file.write_text("\n".join(self.passed) + "\n")

    def _belongs(self, frame: FrameType) -> bool:
        """Whether the call is made for the delivery: by the protocol of its connection, or below its request."""
        scope = frame.f_locals.get("scope")
        if isinstance(scope, dict) and scope.get("path") == "/events":
            of_the_delivery.set(True)
        return of_the_delivery.get() or isinstance(frame.f_locals.get("self"), asyncio.Protocol)


def name(code: CodeType) -> str:
    module = code.co_filename.removeprefix(ROOT).removesuffix(".py").replace("/", ".")
    return f"{module}:{code.co_qualname}"


def main() -> None:
    signal.signal(signal.SIGUSR1, Tracer(Path(sys.argv.pop(1))).start)
    from rotator.cli.app import main as rotator

    rotator()


if __name__ == "__main__":
    main()

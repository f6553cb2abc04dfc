"""A flood of deliveries, most of them wrong in one way, to the webhook of a daemon process."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.eventgrid.builders import body, cloud, validation
from tests.fuzz.mutate import mutate
from tests.fuzz.odd_requests import EVENTS

SECRET = "an-invented-secret-0"
MOST_BODY, MOST_RATE, SOURCES = 100_000, 100, 400
AT_A_TIME = 8
PATIENCE = 30.0
Raw = bytes


def request(method: str, raw: bytes, path: str = "/events", **headers: str) -> Raw:
    named = {"host": "rotator", "content-type": "application/json", "content-length": str(len(raw))}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + raw


@dataclass(slots=True)
class Flood:
    """mine: an event about a gateway of the daemon's. bearer: what Event Grid would send with it."""

    port: int
    mine: dict[str, object]
    bearer: str
    dice: random.Random = field(default_factory=lambda: random.Random(1))
    answers: Counter[str] = field(default_factory=Counter)
    """How many there were, by what was sent and the status; 0: the connection was closed."""

    async def every_source_once(self) -> None:
        """Fill the table of sources, which remembers who came with a credential and who without."""
        for number in range(SOURCES):
            here = {"x_forwarded_for": _address(number)}
            for secret in (SECRET, "a-wrong-secret-0"):
                await self._alone("first", request("POST", body(cloud()), x_rotator_secret=secret, **here))

    async def rise(self, count: int) -> None:
        """Send so many requests, on connections new and kept."""
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_A_TIME):
                group.create_task(self._one_after_the_other(count // AT_A_TIME))

    async def _one_after_the_other(self, count: int) -> None:
        for _ in range(0, count, 5):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            for _ in range(5):
                kind, raw = self._any()
                if kind == "cut":
                    writer.write(raw[: len(raw) // 2])
                elif await self._exchange(kind, raw, reader, writer):
                    continue
                writer.transport.abort()
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            writer.transport.abort()

    async def _alone(self, kind: str, raw: Raw) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        await self._exchange(kind, raw, reader, writer)
        writer.transport.abort()

    async def _exchange(
        self, kind: str, raw: Raw, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Return whether the connection may be used again."""
        writer.write(raw)
        try:
            async with asyncio.timeout(PATIENCE):
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                pairs = (line.partition(": ") for line in head.split("\r\n")[1:])
                named = {name: value for name, _, value in pairs}
                await reader.readexactly(int(named.get("content-length", "0")))
        except (asyncio.IncompleteReadError, ConnectionError):
            self.answers[f"{kind} 0"] += 1
            return False
        self.answers[f"{kind} {head.split(' ')[1]}"] += 1
        return named.get("connection") != "close" and kind != "no HTTP"

    def _any(self) -> tuple[str, Raw]:
        kind = self.dice.choice(list(KINDS))
        return kind, KINDS[kind](self)

    def delivery(self, value: object, **more: str) -> Raw:
        """One that may come in, from any of the sources."""
        raw = value if isinstance(value, bytes) else body(value)
        headers = {"x_rotator_secret": SECRET, "x_forwarded_for": _address(self.dice.randrange(SOURCES))}
        return request("POST", raw, **(headers | more))

    def word(self) -> str:
        return f"w{self.dice.randrange(10**12)}"


def _address(number: int) -> str:
    return f"10.0.{number >> 8}.{number & 255}"


KINDS: dict[str, Callable[[Flood], Raw]] = {
    "mine": lambda f: f.delivery([f.mine]),
    "foreign": lambda f: f.delivery([cloud(id=f.word(), subject=f.word())]),
    "many": lambda f: f.delivery([cloud(id=f.word(), type=f.word()) for _ in range(20)]),
    "by Entra": lambda f: f.delivery([cloud()], x_rotator_secret="", authorization=f"Bearer {f.bearer}"),
    "odd header": lambda f: f.delivery([cloud()], **{f.word(): "y" * f.dice.randrange(2_000)}),
    "handshake": lambda f: f.delivery([validation(f.word())], aeg_event_type="SubscriptionValidation"),
    "deletion": lambda f: f.delivery([cloud(id=f.word())], aeg_event_type="SubscriptionDeletion"),
    "OPTIONS": lambda _: request("OPTIONS", b"", webhook_request_origin="eventgrid.azure.net"),
    "bad OPTIONS": lambda f: request("OPTIONS", b"", webhook_request_origin=f.word()),
    "wrong secret": lambda f: f.delivery([cloud()], x_rotator_secret=f"wrong-{f.word()}"),
    "wrong bearer": lambda f: f.delivery(
        [cloud()], x_rotator_secret="", authorization=f"Bearer {f.bearer[:-20]}{'a' * 20}"
    ),
    "no credential": lambda f: f.delivery([cloud()], x_rotator_secret=""),
    "one source": lambda f: f.delivery([cloud()], x_forwarded_for="10.9.9.9"),
    "bent": lambda f: f.delivery(mutate(f.dice.choice(EVENTS), f.dice, EVENTS)),
    "no JSON": lambda f: f.delivery(b'{"id":' + f.word().encode()),
    "too large": lambda f: f.delivery(b"x" * (MOST_BODY + 500)),
    "text": lambda f: f.delivery([cloud()], content_type=f"text/{f.word()}"),
    "elsewhere": lambda f: request("GET", b"", f"/{f.word()}"),
    "no HTTP": lambda f: f.word().encode() + b"\r\n\r\n",
    "cut": lambda f: f.delivery([cloud()]),
}

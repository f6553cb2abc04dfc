"""The public port as `rotator run` composes and serves it, with witnesses around it, and a blunt client."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rotator.app.clock import GRACE
from rotator.config import Listen, WebhookSettings
from rotator.daemon.public_port import delivery_app, public_app
from rotator.daemon.swappable_app import SwappableApp
from rotator.errors import Unavailable
from rotator.eventgrid import TokenEvent
from rotator.eventgrid.auth.authentication import Authenticator, open_authenticator
from rotator.eventgrid.auth.jwks import parse_key_set
from rotator.telemetry.logs import LIBRARY_LEVELS, configure
from rotator.telemetry.metrics import Metrics
from rotator.web import Server, bind
from sandbox.azure.entra import TENANT
from tests.eventgrid.builders import CLOUD, body, cloud
from tests.fuzz.edges import AUDIENCE, ENTRA

SECRET, WRONG = "an-invented-secret-0", "a-wrong-secret-7f3a91c2"
ANSWERS = frozenset({200, 400, 401, 403, 404, 405, 408, 413, 415, 429, 431, 503})
MOST_BODY = 300_000
NO_ANSWER = 0
"""The connection was closed: right for a head that never ended."""
RESET = -1
"""As NO_ANSWER, while much was still being sent: the answer, if there was one, is lost."""
MUCH = 100_000
PATIENCE = 60.0
DOORS = ("secret", "entra", "both", "open", "narrow")
"""What stands at the public port, by the kind of its [webhook] table."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Witness:
    """Collects what must not occur: errors in the log, and exceptions that reach the event loop."""

    log: io.StringIO = field(default_factory=io.StringIO)
    unhandled: list[str] = field(default_factory=list)
    events: int = 0

    def exception(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.unhandled.append(repr(context.get("exception") or context.get("message")))

    def lines(self) -> list[str]:
        """Return what was logged since it was last asked."""
        said = self.log.getvalue().splitlines()
        self.log.seek(0)
        self.log.truncate()
        return said

    async def handle(self, events: Sequence[TokenEvent]) -> Sequence[str]:
        """As the daemon's: most is foreign; what is named `later` cannot be noted now."""
        names = {event.gateway for event in events}
        if "later" in names:
            raise Unavailable("the API server is away")
        self.events += len(events)
        return ["foreign"] * len(events)


@dataclass(slots=True)
class Ports:
    """by: the port of each door."""

    by: dict[str, int]
    witness: Witness
    metrics: Metrics

    async def send(self, door: str, parts: Sequence[bytes]) -> Answer:
        """Send the parts, one write each, over a connection of its own; return the first answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.by[door])
        try:
            async with asyncio.timeout(PATIENCE):
                return await _exchange(reader, writer, parts)
        except TimeoutError:
            raise AssertionError(
                f"no answer within {PATIENCE:g} s at door {door}: {parts!r}"[:2_000]
            ) from None
        finally:
            writer.transport.abort()

    async def good(self, door: str) -> Answer:
        """Deliver an event as Event Grid would."""
        said = {**CLOUD, "host": "rotator", "x-rotator-secret": SECRET}
        if door == "entra":
            said["authorization"] = f"Bearer {ENTRA.event_grid_token(AUDIENCE)}"
        raw = body(cloud())
        head = "".join(f"{name}: {value}\r\n" for name, value in said.items())
        whole = f"POST /events HTTP/1.1\r\n{head}content-length: {len(raw)}\r\n\r\n".encode() + raw
        return await self.send(door, [whole])


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, parts: Sequence[bytes]
) -> Answer:
    try:
        for part in parts:
            writer.write(part)
            await asyncio.sleep(0)
        status = 100
        while status == 100:
            head = await reader.readuntil(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").split("\r\n")
            status = int(first.split(" ")[1])
        pairs = (line.partition(":") for line in lines if line)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        length = 0 if b"".join(parts).startswith(b"HEAD ") else int(headers.get("content-length", "0"))
        return Answer(status, headers, await reader.readexactly(length))
    except asyncio.IncompleteReadError as end:
        assert not end.partial, f"half an answer: {end.partial[:80]!r}"
        return Answer(NO_ANSWER, {}, b"")
    except ConnectionError:
        return Answer(RESET, {}, b"")


def _table(door: str, folder: Path) -> WebhookSettings:
    entra = {"tenant_id": TENANT, "audiences": [AUDIENCE], "authority": "https://127.0.0.1:1"}
    secret, often = {"secret_file": folder / "secrets"}, {"max_rate": 100_000_000}
    tables: dict[str, dict[str, Any]] = {
        "secret": secret | often,
        "entra": {"entra": entra} | often,
        "both": secret | often | {"entra": entra, "allowed_subscriptions": ["rotator"]},
        "open": {"allow_unauthenticated": True, "allowed_origins": ["*"], "secret_query": ""} | often,
        "narrow": secret | {"max_rate": 600, "trusted_proxies": ["127.0.0.0/8"]},
    }
    return WebhookSettings.model_validate(
        tables[door] | {"max_body_bytes": MOST_BODY, "body_timeout": "0.25s"}, strict=False
    )


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Ports]:
    """Serve every door on loopback; log lines at level debug go to the witness."""
    (folder / "secrets").write_text(SECRET)
    witness, metrics = Witness(), Metrics(())
    asyncio.get_running_loop().set_exception_handler(witness.exception)
    ports, servers = Ports({}, witness, metrics), []
    with _logged(witness.log):
        async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
            for door in DOORS:
                table = _table(door, folder)
                authenticator = await stack.enter_async_context(open_authenticator(table))
                if authenticator.methods.bearer:
                    authenticator.methods.bearer.keys._keys = parse_key_set(
                        {"keys": [k.public for k in ENTRA.published]}
                    )
                server = _server(table, authenticator, witness, metrics)
                ports.by[door] = server.port
                servers.append(server)
                group.create_task(server.serve())
            try:
                yield ports
            finally:
                for server in servers:
                    server.stop()


def _server(
    table: WebhookSettings, authenticator: Authenticator, witness: Witness, metrics: Metrics
) -> Server:
    """Put together what the daemon puts together, by its own hand."""
    webhook = SwappableApp()
    webhook.swap(delivery_app(table, authenticator, witness.handle, metrics.event))
    return Server(public_app(webhook), bind(Listen("127.0.0.1", 0)), GRACE.total_seconds())


@contextmanager
def _logged(stream: io.StringIO) -> Iterator[None]:
    """Log as the daemon does, at level debug, and put logging back as it was."""
    root = logging.getLogger()
    handlers, levels = (
        list(root.handlers),
        {name: logging.getLogger(name).level for name in ("", *LIBRARY_LEVELS)},
    )
    root.handlers = []  # pytest's keep every record
    configure("debug", "json", stream)
    try:
        yield
    finally:
        root.handlers = handlers
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def judge(answer: Answer, door: str, parts: Sequence[bytes]) -> None:
    """Hold an answer against what was promised; parts only tell whether there had to be one."""
    if answer.status == RESET:
        assert sum(map(len, parts)) > MUCH, f"reset at door {door}"
        return
    if answer.status == NO_ANSWER:
        assert b"\r\n\r\n" not in b"".join(parts), f"no answer at door {door}"
        return
    assert answer.status in ANSWERS, answer
    if answer.headers.get("content-type") == "application/json":
        json.loads(answer.body)
    assert WRONG.encode() not in answer.body
    assert SECRET.encode() not in answer.body

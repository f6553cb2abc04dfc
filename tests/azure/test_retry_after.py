"""How long Azure asks to be left alone."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from rotator.azure import Arm, ArmIssuer
from rotator.config import AzureSettings
from rotator.core.records import Key
from rotator.errors import Unavailable
from sandbox import tls
from tests.azure.conftest import Cloud


class Dated:
    """Answers 429 with a Retry-After of its own choice; its clock is three hours slow."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=3)
        self.retry_after = format_datetime(self.now + timedelta(minutes=2), usegmt=True)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        lines = [
            "HTTP/1.1 429 Too Many Requests",
            f"Date: {format_datetime(self.now, usegmt=True)}",
            f"Retry-After: {self.retry_after}",
            "Content-Length: 0",
            "Connection: close",
        ]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@pytest.fixture
async def dated(cloud: Cloud, tmp_path: Path) -> AsyncIterator[tuple[Dated, ArmIssuer]]:
    """A bare server: uvicorn would add its own Date."""
    app, files = Dated(), tls.create(tmp_path / "dated")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.certificate, files.key)
    async with await asyncio.start_server(app.answer, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        settings = AzureSettings(endpoint=f"https://127.0.0.1:{port}", ca_file=files.ca)
        async with await Arm.connect(settings, cloud.identity_env) as arm:
            yield app, ArmIssuer(arm, cloud.resource, lambda: datetime.now(UTC))


async def test_a_date_in_retry_after_is_read_by_azures_own_clock(
    dated: tuple[Dated, ArmIssuer], in_ten_days: datetime
) -> None:
    with pytest.raises(Unavailable) as caught:
        await dated[1].issue(Key.PRIMARY, in_ten_days)

    assert caught.value.retry_after == timedelta(minutes=2)


async def test_a_date_that_is_over_means_at_once(
    dated: tuple[Dated, ArmIssuer], in_ten_days: datetime
) -> None:
    dated[0].retry_after = format_datetime(dated[0].now - timedelta(hours=1), usegmt=True)

    with pytest.raises(Unavailable) as caught:
        await dated[1].issue(Key.PRIMARY, in_ten_days)

    assert caught.value.retry_after == timedelta()


@pytest.mark.parametrize("text", ["soon", "-5", "1e9", "", "99999999999999999999", "Sat, 99 Foo 2030"])
async def test_a_retry_after_that_says_nothing_is_ignored(
    dated: tuple[Dated, ArmIssuer], in_ten_days: datetime, text: str
) -> None:
    dated[0].retry_after = text

    with pytest.raises(Unavailable) as caught:
        await dated[1].issue(Key.PRIMARY, in_ten_days)

    assert caught.value.retry_after is None


@pytest.mark.parametrize("text", ["31536000", "Fri, 01 Jan 2100 00:00:00 GMT"])
async def test_no_wait_is_longer_than_an_hour(
    dated: tuple[Dated, ArmIssuer], in_ten_days: datetime, text: str
) -> None:
    """As a proxy's maintenance page asks for: the token would run out."""
    dated[0].retry_after = text

    with pytest.raises(Unavailable) as caught:
        await dated[1].issue(Key.PRIMARY, in_ten_days)

    assert caught.value.retry_after == timedelta(hours=1)

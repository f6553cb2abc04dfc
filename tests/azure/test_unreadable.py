"""Answers that were damaged on the way: they pass, and never come out as what a decoder raised."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rotator.azure import Arm, ArmIssuer
from rotator.config import AzureSettings
from rotator.core.records import Key
from rotator.errors import Refused, RotatorError, Unavailable
from sandbox import tls
from tests.azure.conftest import Cloud

JSON = "Content-Type: application/json"


@pytest.mark.parametrize(
    ("status", "headers", "body", "kind"),
    [
        (200, [JSON, "Content-Encoding: gzip"], b"no gzip", Unavailable),
        (200, [JSON, "Content-Encoding: deflate"], b"no deflate", Unavailable),
        (500, [JSON, "Content-Encoding: gzip"], b"no gzip", Unavailable),
        (200, ["Content-Type: application/xml"], b"<a", Unavailable),
        (403, [JSON], b'{"error": {"code": 3, "message": {"a": 1}, "details": [3]}}', Refused),
    ],
)
async def test_an_answer_that_no_decoder_takes_is_told_like_any_other(
    cloud: Cloud,
    tmp_path: Path,
    in_ten_days: datetime,
    status: int,
    headers: list[str],
    body: bytes,
    kind: type[RotatorError],
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = [f"HTTP/1.1 {status} Any", *headers, f"Content-Length: {len(body)}", "Connection: close"]
        writer.write("\r\n".join([*head, "", ""]).encode() + body)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    files = tls.create(tmp_path / "damaged")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.certificate, files.key)
    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        settings = AzureSettings(endpoint=f"https://127.0.0.1:{port}", ca_file=files.ca)
        async with await Arm.connect(settings, cloud.identity_env) as arm:
            issuer = ArmIssuer(arm, cloud.resource, lambda: datetime.now(UTC))
            with pytest.raises(kind):
                await issuer.issue(Key.PRIMARY, in_ten_days)

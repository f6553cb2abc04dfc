"""Shared secrets: in a header or in the query string, from a file that changes under the running process."""

from __future__ import annotations

import hmac
import logging
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from rotator.eventgrid.auth import shared_secret
from rotator.eventgrid.auth.shared_secret import SecretFile, read_secrets
from tests.eventgrid.auth.webhook_server import NEW, OLD, serving_webhook
from tests.eventgrid.builders import GRID, validation

HEADER = "x-rotator-secret"
ASKING = GRID | {"aeg-event-type": "SubscriptionValidation"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "secrets"
    path.write_text(f"{OLD}\n")
    return path


def replace(file: Path, text: str) -> None:
    """As careful people do it: the old file or the new one is there at any moment."""
    draft = file.with_suffix(".new")
    draft.write_text(text)
    draft.replace(file)


async def test_a_secret_counts_in_the_header_and_in_the_query_string(file: Path) -> None:
    async with serving_webhook({"secret_file": file}) as webhook:
        assert await webhook.status({HEADER: OLD}) == 200
        assert await webhook.status({"X-Rotator-Secret": f" {OLD} "}) == 200
        assert await webhook.status(query=f"?code={OLD}") == 200
        assert await webhook.status({HEADER: "a-wrong-one"}, f"?a=b&code={OLD}") == 200
        assert len(webhook.events) == 4


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({}, ""),
        ({HEADER: ""}, ""),
        ({HEADER: NEW}, ""),
        ({HEADER: OLD[:-1]}, ""),
        ({HEADER: OLD + "x"}, ""),
        ({HEADER: OLD.upper()}, ""),
        ({HEADER: "ünïcode-ünïcode-"}, ""),
        ({"x-other": OLD}, ""),
        ({"Authorization": f"Bearer {OLD}"}, ""),
        ({}, f"?code={NEW}"),
        ({}, f"?CODE={OLD}"),
        ({}, f"?secret={OLD}"),
        ({}, f"?code=&x={OLD}"),
        ({}, "?code=%ff%00&code"),
        ({}, "?" + "code=x&" * 500 + f"code={OLD}"),
    ],
)
async def test_anything_else_is_answered_401(file: Path, headers: dict[str, str], query: str) -> None:
    async with serving_webhook({"secret_file": file}) as webhook:
        status, said, text = await webhook.post(headers, query)
        assert (status, said["www-authenticate"], webhook.events) == (401, "Bearer", [])
        assert webhook.counted == {("Other", "unauthenticated"): 1}
        assert OLD not in text and NEW not in text


async def test_the_names_may_be_chosen_and_the_query_switched_off(file: Path) -> None:
    async with serving_webhook(
        {"secret_file": file, "secret_header": "X-Mine", "secret_query": ""}
    ) as webhook:
        assert await webhook.status({"x-mine": OLD}) == 200
        assert await webhook.status({HEADER: OLD}) == 401
        assert await webhook.status(query=f"?code={OLD}") == 401
        assert await webhook.status(query=f"?={OLD}") == 401


@pytest.mark.parametrize("encode", [str, quote, lambda secret: quote(secret, safe="")])
async def test_a_base64_secret_may_stand_in_an_address_as_it_is(file: Path, encode: Any) -> None:
    secret = "aGVs+G8/d29y+GQhIQ=="
    file.write_text(secret)
    async with serving_webhook({"secret_file": file}) as webhook:
        from yarl import URL

        assert webhook.http
        url = URL(f"{webhook.url}/events?code={encode(secret)}", encoded=True)
        async with webhook.http.post(url, data=b"[]", headers=GRID) as r:
            assert r.status == 400  # let in, and then nothing was in it


async def test_secrets_are_rotated_without_a_restart_and_both_count_in_between(file: Path) -> None:
    async with serving_webhook({"secret_file": file}) as webhook:

        async def accepted() -> tuple[bool, bool]:
            return await webhook.status({HEADER: OLD}) == 200, await webhook.status({HEADER: NEW}) == 200

        before = await accepted()
        replace(file, f"{NEW}\r\n\r\n{OLD}\r\n")
        between = await accepted()
        replace(file, NEW)
        assert [before, between, await accepted()] == [(True, False), (True, True), (False, True)]


async def test_the_swap_of_a_mounted_secret_is_seen(tmp_path: Path) -> None:
    """secrets -> ..data/secrets, ..data -> a folder with a time in its name: only ..data is replaced."""
    for name, secret in (("..1", OLD), ("..2", NEW)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "secrets").write_text(secret)
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "secrets").symlink_to("..data/secrets")
    async with serving_webhook({"secret_file": tmp_path / "secrets"}) as webhook:
        before = await webhook.status({HEADER: OLD})
        (tmp_path / "..tmp").symlink_to("..2")
        (tmp_path / "..tmp").replace(tmp_path / "..data")
        after = [await webhook.status({HEADER: secret}) for secret in (OLD, NEW)]
        assert (before, after) == (200, [401, 200])


BAD = [
    "",
    "\n \n",
    "short\n" + NEW,
    "a blank in a secret of enough length",
    "ümlaut-ümlaut-ümlaut",
    "x" * 70_000,
]


@pytest.mark.parametrize("text", [None, *BAD, "\n".join(f"{NEW}{n}" for n in range(17))])
async def test_a_file_that_cannot_be_used_leaves_the_last_good_secrets(
    file: Path, text: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving_webhook({"secret_file": file}) as webhook:
        assert await webhook.status({HEADER: OLD}) == 200
        if text is None:
            file.unlink()
        else:
            replace(file, text)
        assert [await webhook.status({HEADER: secret}) for secret in (OLD, NEW)] == [200, 401]
        assert webhook.authenticator and webhook.authenticator.problem().startswith("webhook.secret_file: ")
        assert "the last good secrets stay" in caplog.text
        replace(file, NEW)
        assert await webhook.status({HEADER: NEW}) == 200
        assert webhook.authenticator.problem() == ""


@pytest.mark.parametrize("text", [None, *BAD])
async def test_a_file_that_was_never_good_puts_off_and_is_read_once_it_is(
    file: Path, text: str | None
) -> None:
    if text is None:
        file.unlink()
    else:
        file.write_text(text)
    async with serving_webhook({"secret_file": file}) as webhook:
        status, headers, _ = await webhook.post({HEADER: OLD})
        nothing_shown = await webhook.status()
        replace(file, OLD)
        assert (status, headers["retry-after"], nothing_shown) == (503, "30", 401)
        assert await webhook.status({HEADER: OLD}) == 200


async def test_a_problem_is_logged_once_not_at_each_delivery(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file.unlink()
    async with serving_webhook({"secret_file": file}) as webhook:
        for _ in range(5):
            await webhook.status({HEADER: OLD})
    assert len([r for r in caplog.records if r.levelno == logging.ERROR]) == 1


@pytest.mark.parametrize("presented", [b"", OLD.encode(), NEW.encode(), b"a" * 1000])
def test_every_secret_is_compared_whatever_was_found_before(
    tmp_path: Path, presented: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "s").write_text(f"{OLD}\n{NEW}\nanother-secret-of-mine\n")
    lengths: list[tuple[int, int]] = []
    compare = hmac.compare_digest

    def counting(a: bytes, b: bytes) -> bool:
        lengths.append((len(a), len(b)))
        return compare(a, b)

    monkeypatch.setattr(shared_secret.hmac, "compare_digest", counting)
    file = SecretFile(tmp_path / "s")
    file.refresh()
    assert file.holds([presented, b"a-second-candidate"]) == (presented in (OLD.encode(), NEW.encode()))
    assert lengths == [(32, 32)] * 6


def test_a_file_with_a_byte_order_mark_and_windows_lines_is_read(tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(b"\xef\xbb\xbf" + OLD.encode() + b"\r\n  " + NEW.encode() + b"  \r\n")
    assert read_secrets(tmp_path / "s") == [OLD.encode(), NEW.encode()]


async def test_no_secret_is_shown_anywhere(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)  # the lowest that may be configured
    async with serving_webhook({"secret_file": file}) as webhook:
        texts = [(await webhook.post(*how))[2] for how in (({HEADER: OLD}, ""), ({}, f"?code={NEW}"))]
        replace(file, "tooshort")
        texts.append((await webhook.post({HEADER: OLD}))[2])
        shown = caplog.text + "".join(texts) + repr(webhook.authenticator) + repr(caplog.records)
    assert OLD not in shown and NEW not in shown and "tooshort" not in shown


async def test_a_handshake_without_the_secret_is_answered_where_a_secret_is_the_only_way(file: Path) -> None:
    async with serving_webhook({"secret_file": file}) as webhook:
        status, _, text = await webhook.post(ASKING, value=[validation("X-1")])
        assert (status, text) == (200, '{"validationResponse":"X-1"}')
        assert (await webhook.post(ASKING | {HEADER: OLD}, value=[validation("X-2")]))[0] == 200


async def test_a_handshake_with_a_wrong_secret_is_refused(file: Path) -> None:
    async with serving_webhook({"secret_file": file}) as webhook:
        assert (await webhook.post(ASKING | {HEADER: NEW}, value=[validation()]))[0] == 401
        assert (await webhook.post(ASKING, f"?code={NEW}", [validation()]))[0] == 401


async def test_an_open_handshake_carries_in_nothing_else(file: Path) -> None:
    async with serving_webhook({"secret_file": file}) as webhook:
        assert await webhook.status(ASKING) == 400
        assert (await webhook.post(GRID, value=[validation()]))[0] == 401
        assert (await webhook.post(ASKING, value=[validation("x" * 20_000)]))[0] == 401
        assert webhook.events == []


async def test_an_open_handshake_in_two_minds_is_refused(file: Path) -> None:
    """Two headers of one name: it is undefined which one counts."""
    async with serving_webhook({"secret_file": file}) as webhook:
        assert webhook.http
        both = [*GRID.items(), ("aeg-event-type", "SubscriptionValidation")]
        async with webhook.http.post(f"{webhook.url}/events", data=b"[]", headers=both) as r:
            assert r.status == 401

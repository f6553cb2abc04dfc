"""A token shows nowhere."""

from __future__ import annotations

import logging
from datetime import datetime

import pytest

from rotator.azure import ArmIssuer
from rotator.core.records import Key
from rotator.errors import RotatorError
from tests.azure.conftest import Cloud


def body(code: str, message: str = "Text.") -> str:
    return f'{{"error": {{"code": "{code}", "message": "{message}"}}}}'


async def test_no_token_reaches_a_log_or_an_exception(
    cloud: Cloud, issuer: ArmIssuer, in_ten_days: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    value = cloud.gateway.mint("primary", in_ten_days)
    texts = []
    await issuer.issue(Key.PRIMARY, in_ten_days)
    for status, answer in [
        (200, f'{{"value": "{value}" '),
        (200, f'{{"value": ["{value}"]}}'),
        (200, value),
        (200, f'"{value}"'),
        (200, f'["{value}"]'),
        (400, body("Bad", value)),
        (403, body("Bad", value)),
        (404, body(value)),
        (409, body("Bad", f"has {value}.")),
        (500, value),
        (503, body("Bad", f"'{value}'")),
    ]:
        cloud.faults.add(server="arm", action="status", status=status, body=answer)
        with pytest.raises(RotatorError) as caught:
            await issuer.issue(Key.PRIMARY, in_ten_days)
        texts += [str(link) + repr(link) for link in chain(caught.value)]

    signature = value.split("&")[2]
    assert signature not in "".join(texts)
    assert signature not in caplog.text
    assert signature not in "".join(str(vars(record)) for record in caplog.records)
    assert any(record.name.startswith("azure") for record in caplog.records), "the SDK did log"


def chain(error: BaseException | None) -> list[BaseException]:
    found = []
    while error:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from rotator.azure.signer_detection import SignerDetection, SignerProbe
from rotator.core.records import Key
from rotator.core.signing import SignerQuery

AT = datetime(2030, 1, 2, 3, 4, tzinfo=UTC)


async def test_a_key_regenerated_between_two_questions_proves_nothing() -> None:
    answers = iter(["old", "other", "new", "new"])
    detection = SignerDetection()

    async def ask(_key: Key, _at: datetime) -> str:
        return next(answers)

    found = await SignerProbe("oslo", detection, ask).signers([SignerQuery("mine", AT, None)])

    assert found == {}
    assert detection.on


async def test_answers_that_never_repeat_switch_identification_off() -> None:
    answers = iter(["a", "b", "c", "d"])
    detection = SignerDetection()

    async def ask(_key: Key, _at: datetime) -> str:
        return next(answers)

    found = await SignerProbe("oslo", detection, ask).signers([SignerQuery("mine", AT, None)])

    assert found == {}
    assert not detection.on


async def test_many_tokens_that_are_not_recognised_at_once_are_one_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    count = 0

    async def ask(_key: Key, _at: datetime) -> str:
        nonlocal count
        count += 1
        answer = str(count)
        await asyncio.sleep(0)  # the others ask meanwhile
        return answer

    signer_queries = [SignerQuery(f"mine {n}", AT + timedelta(minutes=n), None) for n in range(5)]

    assert await SignerProbe("oslo", SignerDetection(), ask).signers(signer_queries) == {}
    assert len(caplog.records) == 1

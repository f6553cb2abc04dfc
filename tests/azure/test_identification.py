from __future__ import annotations

from datetime import UTC, datetime

from rotator.azure.identification import Identification, Inquiry
from rotator.core.evidence import Doubt
from rotator.core.words import Key

AT = datetime(2030, 1, 2, 3, 4, tzinfo=UTC)


async def test_a_key_regenerated_between_two_questions_proves_nothing() -> None:
    answers = iter(["old", "other", "new", "new"])
    identification = Identification()

    async def ask(_key: Key, _at: datetime) -> str:
        return next(answers)

    found = await Inquiry("oslo", identification, ask).signers([Doubt("mine", AT, None)])

    assert found == {}
    assert identification.on


async def test_answers_that_never_repeat_switch_identification_off() -> None:
    answers = iter(["a", "b", "c", "d"])
    identification = Identification()

    async def ask(_key: Key, _at: datetime) -> str:
        return next(answers)

    found = await Inquiry("oslo", identification, ask).signers([Doubt("mine", AT, None)])

    assert found == {}
    assert not identification.on

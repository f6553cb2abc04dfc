"""Coverage-guided campaigns: numbers are told at the end, findings fail (`make test-fuzz`)."""

from __future__ import annotations

import logging
import os
import random
from base64 import b64encode
from collections.abc import Callable, Iterator

import pytest

from tests.fuzz.guided import Target, fuzz
from tests.fuzz.test_corpus import TARGETS, found

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "3000"))
SEED = int(os.environ.get("FUZZ_SEED", "0")) or random.SystemRandom().randrange(1, 2**32)
SLOW = {"claims": 4, "config": 4, "lease": 8, "secret": 2, "secrets": 2}
"""These get so many times fewer inputs: signing, reading whole files and planning take their time."""


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.fuzz
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_whatever_is_kept_for_reaching_new_code_is_dealt_with(
    target: Target, record_property: Callable[[str, object], None]
) -> None:
    inputs = max(100, EXAMPLES // SLOW.get(target.name, 1))
    done = fuzz(target, inputs, SEED, [raw for _, raw in found(target.name)])
    record_property("covered", done.told(target.name))
    shown = [f"{f.where}: {b64encode(f.data).decode()[:3_000]}" for f in done.findings.values()]
    assert not shown, f"FUZZ_SEED={SEED} finds, in base64:\n" + "\n".join(shown)

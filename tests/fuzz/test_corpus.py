"""Everything that fuzzing has found, once more, and the same few hundred new inputs each time."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzz.cluster import CLUSTER
from tests.fuzz.edges import EDGES
from tests.fuzz.guided import Target, fuzz

TARGETS = {target.name: target for target in (*EDGES, *CLUSTER)}
CORPUS = Path(__file__).parent / "corpus"


def found(name: str) -> list[tuple[str, bytes]]:
    """Return what was wrong and the input, for each past finding of a target. parts: [text, how often]."""
    path = CORPUS / f"{name}.json"
    entries = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    return [(e["found"], "".join(text * times for text, times in e["parts"]).encode()) for e in entries]


FINDINGS = [pytest.param(TARGETS[n], raw, id=f"{n}: {why}") for n in TARGETS for why, raw in found(n)]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Warnings about what is spoilt are not looked at here."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize(("target", "raw"), FINDINGS)
def test_what_was_found_once_is_dealt_with(target: Target, raw: bytes) -> None:
    """Some have a quarter of a million characters: quadratic time would exceed the time-out of a test."""
    target.run(raw)


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_a_few_bent_inputs_are_dealt_with(target: Target) -> None:
    done = fuzz(target, 60, seed=1)
    assert not done.findings, done.findings


def test_every_file_of_the_corpus_belongs_to_a_target() -> None:
    assert {path.stem for path in CORPUS.glob("*.json")} <= set(TARGETS)


def test_the_fuzzer_finds_its_way_by_coverage_to_a_fault() -> None:
    """Four digits in a row, each of which has to be right before the next one is looked at."""

    def locked(raw: bytes) -> None:
        if raw[0:1] == b"7":
            if raw[1:2] == b"3":
                if raw[2:3] == b"9":
                    if raw[3:4] == b"1":
                        raise KeyError("open")
                    return
                return
            return

    lock = Target("lock", locked, [b"0000"])
    assert [f.data[:4] for f in fuzz(lock, 15_000, seed=1, under=__file__).findings.values()] == [b"7391"]
    assert not fuzz(lock, 10_000, seed=1, under="nowhere").findings

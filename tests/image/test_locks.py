"""The three locks: the product, the sandbox on top, the tools on top of both."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from tests.image.dockerfile import ROOT

LOCKS = ("requirements.lock", "requirements-sandbox.lock", "requirements-dev.lock")


def pins(lock: str) -> dict[str, str]:
    """Return each package's whole entry, hashes included, by its name."""
    entries = re.split(r"^(?=[a-z])", (ROOT / lock).read_text(), flags=re.MULTILINE)
    return {entry.partition("==")[0]: entry for entry in entries if entry}


@pytest.mark.parametrize(("small", "large"), list(pairwise(LOCKS)))
def test_a_larger_lock_has_every_pin_of_the_smaller_one(small: str, large: str) -> None:
    wanted, found = pins(small), pins(large)
    assert {name: found.get(name) for name in wanted} == wanted
    assert len(found) > len(wanted)


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_has_hashes_and_no_lock_names_an_index(lock: str) -> None:
    assert all("--hash=sha256:" in entry for entry in pins(lock).values())
    assert "://" not in (ROOT / lock).read_text()


def test_the_demo_needs_no_linter_fuzzer_or_type_checker() -> None:
    assert not {"hypothesis", "import-linter", "mypy", "pre-commit", "pytest", "ruff"} & set(pins(LOCKS[1]))

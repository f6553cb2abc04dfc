"""What the docs say is what the program does."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer.main

from rotator.cli.app import app
from rotator.config import load
from rotator.core.words import Reason
from tests.docs import freshness
from tests.mutations.test_rules import ALL

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PLACEHOLDERS = {
    "<subscription>": "00000000-0000-0000-0000-000000000001",
    "<group>": "gateways",
    "<service>": "contoso",
    "<gateway>": "oslo",
}


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^ *```{language}\n(.*?)^ *```", page.read_text(), re.MULTILINE | re.DOTALL)


def test_generated_pages_are_fresh() -> None:
    assert freshness.stale() == []


def test_the_readmes_configuration_loads(tmp_path: Path) -> None:
    (text,) = blocks(ROOT / "README.md", "toml")
    for placeholder, value in PLACEHOLDERS.items():
        text = text.replace(placeholder, value)
    config = tmp_path / "config.toml"
    config.write_text("\n".join(line.strip() for line in text.splitlines()))
    assert [g.name for g in load(config, {}).gateways] == ["oslo"]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_command_that_is_shown_exists_with_its_options(page: Path) -> None:
    group = typer.main.get_command(app)
    shown = [
        c for b in blocks(page, "sh") for c in re.findall(r"^ *(?:\S*/)?rotator ([^#\n|]*)", b, re.MULTILINE)
    ]
    for line in shown:
        words = shlex.split(line)
        context = group.make_context("rotator", ["--version"], resilient_parsing=True)
        command = group.get_command(context, words[0])  # type: ignore[attr-defined]  # it is a group
        assert command is not None, line
        known = {o for p in command.params for o in (*p.opts, *p.secondary_opts)}
        assert {w for w in words[1:] if w.startswith("-")} <= known, line


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_within_the_project_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_every_reason_that_can_occur_is_explained() -> None:
    page = (ROOT / "docs/operations.md").read_text()
    later = {Reason.CONDEMNED, Reason.SUSPECT, Reason.ROLLOUT_FAILED, Reason.SUPERSEDED}
    assert [r for r in Reason if r not in later and f"`{r}`" not in page] == []


def test_targets_of_make_that_are_mentioned_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        assert set(re.findall(r"`make ([a-z-]+)`", page.read_text())) <= targets, page.name


def test_every_guarantee_names_tests_and_mutations_that_exist() -> None:
    page = (ROOT / "docs/guarantees.md").read_text()
    tests = re.findall(r"`(tests/\S+\.py)::(test_\w+)`", page)
    assert len(tests) > 25
    for file, name in tests:
        assert re.search(rf"def {name}\(", (ROOT / file).read_text()), f"{file}::{name}"
    rows = [line.rpartition(" | ")[2] for line in page.splitlines() if line.startswith("| `tests/")]
    named = {m for row in rows for m in re.findall(r"`([^`]+)`", row)}
    assert named <= {m.name for m in ALL}
    assert all(f"**I{n} " in page for n in range(1, 10))

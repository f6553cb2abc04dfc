"""What the docs say is what the program does."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer.main

from rotator.cli.app import app
from rotator.config import load
from rotator.core.records import Reason
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
    assert [r for r in Reason if f"`{r}`" not in page] == []


def test_targets_of_make_that_are_mentioned_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        assert set(re.findall(r"`make ([a-z-]+)`", page.read_text())) <= targets, page.name


def named_tests(page: str) -> list[tuple[str, str]]:
    """Return (file, name) of every test that the page names; all of them exist."""
    tests = re.findall(r"`(tests/\S+\.py)::(test_\w+)`", page)
    for file, name in tests:
        assert re.search(rf"def {name}\(", (ROOT / file).read_text()), f"{file}::{name}"
    return tests


def test_every_guarantee_names_tests_and_mutations_that_exist() -> None:
    page = (ROOT / "docs/guarantees.md").read_text()
    assert len(named_tests(page)) > 40
    rows = [line.rpartition(" | ")[2] for line in page.splitlines() if line.startswith("| `tests/")]
    named = {m for row in rows for m in re.findall(r"`([^`]+)`", row)}
    assert named <= {m.name for m in ALL}
    assert all(f"**I{n} " in page for n in range(1, 10))


PEERS = (
    "Reloader#1183",
    "VSO#285",
    "Reloader#1089",
    "VSO#582",
    "VSO#1124",
    "operator#64",
    "VSO#1228",
    "Reloader#481",
    "Reloader#640",
    "Reloader#1144",
    "Reloader#701",
    "argo-helm#3654",
    "kubernetes#23564",
    "ESO#2401",
    "ClusterSecret#59",
    "operator#102",
    "secrets-store-csi#1483",
    "provider#119",
    "ESO#4231",
    "azure-sdk-for-python#44488",
    "kubernetes-client/python#1768",
    "kopf#926",
    "cert-manager#6341",
    "cert-manager#7556",
    "kubernetes#23731",
    "kubernetes#67651",
    "kured#847",
    "kube-hetzner#1182",
    "kopf#585",
    "kopf#957",
    "cert-manager#4722",
    "ESO#1336",
    "argocd-image-updater",
    "briandenicola",
    "phealy",
    "dual-credential",
    "how-to",
)


def test_every_pitfall_of_others_has_a_test_here() -> None:
    page = (ROOT / "docs/pitfalls.md").read_text()
    assert [peer for peer in PEERS if peer not in page] == []
    rows = [
        line for line in page.splitlines() if line.startswith("| ") and not line.startswith("| what went")
    ]
    rows = [row for row in rows if not row.startswith("| ---")]
    assert len(rows) >= 38
    for row in rows:
        assert row.count(" | ") == 2, row
        assert named_tests(row.rpartition(" | ")[2]), row


def test_every_runbook_that_is_linked_to_is_there() -> None:
    page = (ROOT / "docs/operations.md").read_text()
    titles = re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    headings = {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}
    for other in PAGES:
        for anchor in re.findall(r"operations\.md#([a-z0-9-]+)", other.read_text()):
            assert anchor in headings, f"{other.name}: {anchor}"


def test_every_file_that_the_architecture_names_is_in_its_room() -> None:
    page = (ROOT / "docs/architecture.md").read_text()
    rows = re.findall(r"^\| `(\w+)/` \|(.*)$", page, re.MULTILINE)
    assert {room for room, _ in rows} >= {"core", "rotation", "kube", "eventgrid", "daemon"}
    named = [f"rotator/{room}/{file}" for room, row in rows for file in re.findall(r"`([\w/]+\.py)`", row)]
    named += [f"rotator/{path}" for path in re.findall(r"`(core/\w+\.py|kube/[\w/]+\.py)`", page)]
    assert len(named) > 30
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_glossary_names_what_the_code_has() -> None:
    page = (ROOT / "docs/glossary.md").read_text()
    rows = [line.rpartition(" | ")[2] for line in page.splitlines() if line.startswith("| ") and "`" in line]
    assert len(rows) >= 40
    source = "\n".join(path.read_text() for path in (ROOT / "rotator").rglob("*.py"))
    for name in (name for row in rows for name in re.findall(r"`([^`]+)`", row)):
        if "/" in name:
            assert (ROOT / name).exists(), name
        else:
            assert re.search(rf"\b{re.escape(name.rpartition('.')[2])}\b", source), name

"""The workflows of the forge: valid, pinned, without rights they do not need, calling what exists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.image.dockerfile import ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yaml"))
every = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda p: p.stem)


def read(path: Path) -> dict[str, Any]:
    """Return the workflow; YAML reads its key `on` as true."""
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    found["on"] = found.pop(True)
    return found


def steps(path: Path) -> Iterator[dict[str, Any]]:
    for job in read(path)["jobs"].values():
        yield from job["steps"]


@every
def test_a_workflow_has_what_the_forge_needs(path: Path) -> None:
    workflow = read(path)
    assert workflow["on"] and workflow["jobs"]
    for name, job in workflow["jobs"].items():
        assert job["runs-on"] and job["timeout-minutes"] <= 60, name
        assert set(job.get("needs", "").split()) <= set(workflow["jobs"]), name
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step), step


@every
def test_every_action_is_of_a_named_version(path: Path) -> None:
    for step in steps(path):
        if "uses" in step:
            assert re.fullmatch(r"[\w-]+/[\w-]+@v?\d+(\.\d+\.\d+)?", step["uses"]), step["uses"]


@every
def test_rights_are_none_but_to_read_unless_a_job_says_more(path: Path) -> None:
    workflow = read(path)
    assert workflow["permissions"] == {"contents": "read"}
    writing = {name for name, job in workflow["jobs"].items() if "write" in str(job.get("permissions", ""))}
    assert writing == ({"image", "chart"} if path.stem == "release" else set())
    for step in steps(path):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@every
def test_nothing_that_others_can_write_gets_into_a_script(path: Path) -> None:
    """Titles, branch names and the like go through `env`, never into the text of a command."""
    for step in steps(path):
        assert "${{" not in step.get("run", ""), step


@every
def test_the_commands_exist(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for step in steps(path):
        for words in re.findall(r"^make ([a-z -]+)$", step.get("run", ""), re.MULTILINE):
            assert set(words.split()) <= targets


def test_a_tag_publishes_only_what_was_checked_signed_and_described() -> None:
    release = next(p for p in WORKFLOWS if p.stem == "release")
    jobs = read(release)["jobs"]
    assert (jobs["image"]["needs"], jobs["chart"]["needs"]) == ("check", "image")
    build = next(s for s in jobs["image"]["steps"] if s.get("id") == "build")["with"]
    assert build["sbom"] is True and build["provenance"] == "mode=max" and build["push"] is True
    assert set(build["platforms"].split(",")) == {"linux/amd64", "linux/arm64"}
    for name in ("image", "chart"):
        assert any("cosign sign --yes" in s.get("run", "") for s in jobs[name]["steps"])


def test_a_released_chart_gets_its_image_by_the_lines_that_the_values_have() -> None:
    values = (ROOT / "charts/apim-token-rotator/values.yaml").read_text().splitlines()
    assert values.count('  repository: ""') == 1 and values.count('  digest: ""') == 1

"""What can be said of the image without building it."""

from __future__ import annotations

import json
import re

import yaml

from tests.image.dockerfile import ROOT, included, stages

BUILD, FINAL = stages()


def test_both_stages_start_from_the_same_named_version() -> None:
    assert (BUILD.name, FINAL.name) == ("build", "")
    assert BUILD.image == FINAL.image == "python:3.12-slim"


def test_the_final_stage_takes_the_environment_only() -> None:
    assert FINAL.all("COPY") == ["--from=build /opt/rotator /opt/rotator"]
    assert "/opt/rotator " in BUILD.all("RUN")[0]


def test_the_final_stage_installs_nothing_and_drops_pip() -> None:
    (run,) = FINAL.all("RUN")
    assert not re.search(r"apt|curl|wget|pip install|gcc", run)
    assert "pip uninstall" in run and "ensurepip" in run


def test_every_package_is_checked_by_its_hash_and_nothing_is_compiled() -> None:
    installs = [c for run in BUILD.all("RUN") for c in run.split("&&") if " install " in c]
    assert len(installs) == 3
    for command in installs:
        hashed = "--require-hashes" in command and "--only-binary :all:" in command
        assert hashed or ("--no-deps" in command and "--no-index" in command), command
    assert not any(i.word == "ADD" for i in [*BUILD.instructions, *FINAL.instructions])


def test_it_runs_as_a_number_that_the_chart_names_too() -> None:
    values = yaml.safe_load((ROOT / "charts/apim-token-rotator/values.yaml").read_text())
    user = values["podSecurityContext"]
    assert FINAL.all("USER") == [f"{user['runAsUser']}:{user['runAsGroup']}"]
    last_root = max(n for n, i in enumerate(FINAL.instructions) if i.word in {"RUN", "COPY"})
    assert [i.word for i in FINAL.instructions].index("USER") > last_root


def test_a_home_is_said_for_a_user_without_an_entry_in_passwd() -> None:
    """kubernetes.aio asks for it when it is imported, and fails without."""
    assert "HOME=/" in FINAL.all("ENV")[0].split()


def test_it_serves_unless_it_is_told_otherwise_and_in_exec_form() -> None:
    assert [json.loads(x) for x in FINAL.all("ENTRYPOINT")] == [["rotator"]]
    assert [json.loads(x) for x in FINAL.all("CMD")] == [["run"]]
    assert FINAL.all("HEALTHCHECK") == [], "Kubernetes has probes"


def test_no_secret_is_an_argument_or_a_variable() -> None:
    named = [*BUILD.all("ARG"), *FINAL.all("ARG"), *BUILD.all("ENV"), *FINAL.all("ENV")]
    assert not re.search(r"secret|token=|password|key=", " ".join(named), re.IGNORECASE)


def test_labels_tell_what_it_is() -> None:
    (labels,) = FINAL.all("LABEL")
    for name in ("title", "description", "licenses", "version", "revision"):
        assert f"org.opencontainers.image.{name}=" in labels


def test_the_build_sees_what_it_copies_and_no_more() -> None:
    copied = {name for line in BUILD.all("COPY") for name in line.split()[:-1]}
    assert copied == included()
    assert all((ROOT / name).exists() for name in copied)
    assert "**/__pycache__" in (ROOT / ".dockerignore").read_text()

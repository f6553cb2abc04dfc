"""`python -m sandbox` at a terminal."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sandbox.cli import main

START_TIMEOUT = 60.0


@asynccontextmanager
async def started(*words: str) -> AsyncIterator[tuple[Process, str]]:
    """Yield the process and its output once the sandbox runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-u", "-m", "sandbox", *words, stdout=PIPE, stderr=PIPE
    )
    assert process.stdout
    try:
        async with asyncio.timeout(START_TIMEOUT):
            said = (await process.stdout.readuntil(b"which token each gateway pod runs")).decode()
        yield process, said
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


def environment(directory: Path) -> dict[str, str]:
    lines = (directory / "env").read_text().splitlines()
    pairs = (line.removeprefix("export ").partition("=") for line in lines)
    return {name: value.strip("'") for name, _, value in pairs}


async def rotator(directory: Path, *words: str) -> tuple[int | None, str]:
    command = (sys.executable, "-m", "rotator", *words, "-c", str(directory / "config.toml"))
    env = environment(directory) | {"PATH": "/usr/bin:/bin", "HOME": str(directory)}
    process = await asyncio.create_subprocess_exec(*command, env=env, stdout=PIPE, stderr=PIPE)
    out, err = await process.communicate()
    return process.returncode, (out + err).decode()


@pytest.mark.process
async def test_two_clusters_started_by_hand_can_be_rotated_with_the_files_that_were_written(
    tmp_path: Path,
) -> None:
    words = ("--cluster", "harbour", "--gateway", "oslo", "--replicas", "1", "--directory", str(tmp_path))
    async with started(*words) as (process, said):
        assert "its clusters: sandbox, harbour" in said
        code, told = await rotator(tmp_path, "rotate-now", "oslo", "--force")
        assert code == 0, told
        code, told = await rotator(tmp_path, "status", "-o", "json")
        assert code == 0 and told.count('"verified_at": "20') == 2, told
        process.terminate()
        assert await process.wait() == 0
    assert (tmp_path / "env").stat().st_mode & 0o077 == 0


def test_help_says_what_it_does_and_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    told = capsys.readouterr().out
    assert all(f"--{name}" in told for name in ("cluster", "gateway", "days", "replicas", "directory"))
    assert "Ctrl-C" in told


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--cluster", "sandbox"), "the name of the first cluster"),
        (("--cluster", "Harbour 1"), "lower-case letters"),
        (("--gateway", "-x-"), "expected one argument"),
        (("--days", "31"), "up to 30"),
        (("--days", "soon"), "up to 30"),
        (("--replicas", "0"), "invalid choice"),
        (("x",), "invalid choice"),
    ],
)
def test_invalid_arguments_are_refused_with_a_sentence(
    words: tuple[str, ...], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2
    assert why in capsys.readouterr().err

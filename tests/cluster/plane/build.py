"""Build the control plane with Go from published modules, once per version and source."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path

SOURCE = Path(__file__).parent / "go"
VERSIONS = {"1.36": "1.36.3", "1.35": "1.35.4", "1.34": "1.34.4"}
"""Minor versions that can be built; the first is the default, and the only one whose sums are recorded here."""
_STAMP = "k8s.io/component-base/version", "k8s.io/client-go/pkg/version"


class CannotBuildError(Exception):
    """No Go, no sources, or they do not compile."""


def version() -> str:
    """The wanted version, such as "1.36.3": $ROTATOR_KUBE_VERSION ("1.35"), or the newest.

    Raises:
        CannotBuildError: it is none that can be built.
    """
    wanted = os.environ.get("ROTATOR_KUBE_VERSION") or next(iter(VERSIONS))
    if wanted in VERSIONS.values():
        return wanted
    if wanted not in VERSIONS:
        raise CannotBuildError(f"ROTATOR_KUBE_VERSION={wanted} is none of {', '.join(VERSIONS)}")
    return VERSIONS[wanted]


async def plane() -> Path:
    """Return the program, built now unless it is in the cache. Raises CannotBuildError."""
    wanted = version()
    program = _cache() / f"plane-{wanted}-{_digest(wanted)}"
    program.parent.mkdir(parents=True, exist_ok=True)
    with (program.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # test processes share one cache; nothing else runs yet
        if not program.exists():
            await _build(wanted, program)
    return program


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "apim-token-rotator" / "plane"


def _digest(wanted: str) -> str:
    digest = hashlib.sha256(wanted.encode())
    for name in ("main.go", "go.mod", "go.sum"):
        digest.update((SOURCE / name).read_bytes())
    return digest.hexdigest()[:12]


def _go() -> str:
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if go is None:
        raise CannotBuildError("there is no Go to build a control plane with")
    return go


async def _build(wanted: str, program: Path) -> None:
    go = _go()
    default = wanted == next(iter(VERSIONS.values()))
    with tempfile.TemporaryDirectory(dir=program.parent) as scratch:
        work = Path(scratch)
        shutil.copy(SOURCE / "main.go", work)
        if default:
            for name in ("go.mod", "go.sum"):
                shutil.copy(SOURCE / name, work)
        else:
            upstream = await _run(work, go, "mod", "download", "-json", f"k8s.io/kubernetes@v{wanted}")
            (work / "go.mod").write_text(_go_mod(wanted, upstream))
        mode = "readonly" if default else "mod"
        stamps = " ".join(f"-X {place}.{word}" for place in _STAMP for word in _words(wanted))
        made = work / "plane"
        flags = ("-mod=" + mode, "-trimpath", "-ldflags", f"-s -w {stamps}")
        await _run(work, go, "build", *flags, "-o", str(made), ".")
        made.rename(program)


def _words(wanted: str) -> tuple[str, ...]:
    major, minor, _ = wanted.split(".")
    return f"gitVersion=v{wanted}", f"gitMajor={major}", f"gitMinor={minor}"


def _go_mod(wanted: str, download: str) -> str:
    """A go.mod that follows the one of k8s.io/kubernetes, with its staging modules as they are published."""
    upstream = Path(json.loads(download)["GoMod"]).read_text().splitlines()
    heads = [line for line in upstream if line.startswith(("go ", "godebug "))]
    staging = [line.split()[0] for line in upstream if "=> ./staging/" in line]
    published = "v0." + wanted.partition(".")[2]
    return "\n".join(
        [
            "module apim-token-rotator/plane",
            *heads,
            f"require k8s.io/kubernetes v{wanted}",
            *(f"replace {module} => {module} {published}" for module in staging),
            "",
        ]
    )


async def _run(directory: Path, *command: str) -> str:
    environ = os.environ | {"GOTOOLCHAIN": "local", "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false"}
    process = await asyncio.create_subprocess_exec(
        "nice", "-n", "10", *command, cwd=directory, env=environ,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    if process.returncode:
        last = "\n".join(err.decode(errors="replace").strip().splitlines()[-5:])
        raise CannotBuildError(f"Go could not build the control plane: {last}")
    return out.decode()

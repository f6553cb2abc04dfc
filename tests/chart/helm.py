"""Finds the helm command, or builds it from its published Go module; renders the chart with it.

Run as `python -m tests.chart.helm` to build it ahead of the tests: it takes minutes, once.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

Json = dict[str, Any]
ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "apim-token-rotator"
CI = sorted((CHART / "ci").glob("*-values.yaml"))
MODULE, VERSION = "helm.sh/helm/v4/cmd/helm", "v4.3.1"
KUBERNETES = "1.36.0"
"""For a helm that was built without being told of one."""
REASON = "there is no helm: install it, name it in HELM, or install Go and run python -m tests.chart.helm"


def cached() -> Path:
    """Return where the built command is kept, outside the tree."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "apim-token-rotator" / "tools" / f"helm-{VERSION}" / "helm"


@cache
def find() -> Path | None:
    """Return the helm of the environment: $HELM, the one built before, the one on the PATH."""
    named = os.environ.get("HELM")
    if named:
        return Path(named)
    if cached().exists():
        return cached()
    found = shutil.which("helm")
    return Path(found) if found else None


def build() -> Path | None:
    """Return helm, built with Go if it has to be; None without Go. Raises CalledProcessError."""
    go = shutil.which("go") or shutil.which("/usr/local/go/bin/go")
    if (found := find()) or not go:
        return found
    cached().parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cached().parent) as fresh:
        env = os.environ | {"GOBIN": fresh, "GOFLAGS": "-trimpath"}
        subprocess.run(["nice", "-n", "10", go, "install", f"{MODULE}@{VERSION}"], env=env, check=True)
        (Path(fresh) / "helm").replace(cached())
    return cached()


class HelmError(Exception):
    """Helm refused; holds what it printed."""


@dataclass
class Helm:
    """The chart through the real engine. Renderings of the same values are made once."""

    command: Path
    directory: Path
    _made: dict[str, list[Json]] = field(default_factory=dict)

    def run(self, *words: str, values: Json | Path) -> str:
        """Return what a helm command prints about the chart with values. Raises HelmError."""
        if not isinstance(values, Path):
            text = yaml.safe_dump(values)
            values = self.directory / "values.yaml"
            values.write_text(text)
        env = {"PATH": "/usr/bin:/bin", "HOME": str(self.directory)}
        done = subprocess.run(
            [self.command, *words, CHART, "--values", values, "--namespace", "rotator"],
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise HelmError(done.stdout + done.stderr)
        return done.stdout

    def render(self, values: Json | Path, release: str = "tokens") -> list[Json]:
        """Return the manifests, hooks included. Raises HelmError."""
        key = f"{release} {values}"
        if key not in self._made:
            text = self.run("template", release, "--kube-version", KUBERNETES, values=values)
            self._made[key] = [d for d in yaml.safe_load_all(text) if d]
        return self._made[key]

    def refusal(self, values: Json) -> str:
        """Return what helm says to values that the chart refuses."""
        try:
            self.render(values)
        except HelmError as error:
            return str(error)
        raise AssertionError("the chart took these values")


def the(manifests: list[Json], kind: str, name: str = "tokens-apim-token-rotator") -> Json:
    """Return the one manifest of this kind and name."""
    (found,) = [m for m in manifests if m["kind"] == kind and m["metadata"]["name"] == name]
    return found


if __name__ == "__main__":
    here = build()
    print(here or REASON)
    sys.exit(not here and os.environ.get("CI") == "true")

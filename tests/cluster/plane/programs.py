"""Where the control plane's programs come from: the user's binaries, or built with Go."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.plane import build

NAMES = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")


class NothingToRunError(Exception):
    """There is no control plane to be had on this machine; the text says why."""


@dataclass(frozen=True, slots=True)
class Programs:
    """How to start each program: the words before its flags. `source` is for people."""

    commands: Mapping[str, tuple[str, ...]]
    source: str


async def find() -> Programs:
    """Take the binaries in $KUBEBUILDER_ASSETS, else build them (once; minutes).

    Raises:
        NothingToRunError: neither can be had.
    """
    if assets := os.environ.get("KUBEBUILDER_ASSETS"):
        return _assets(Path(assets))
    try:
        plane = await build.plane()
    except build.CannotBuildError as problem:
        raise NothingToRunError(str(problem)) from problem
    commands = {name: (str(plane), name) for name in NAMES}
    return Programs(commands, f"Kubernetes {build.version()}, built with Go")


def _assets(directory: Path) -> Programs:
    missing = [name for name in NAMES if not os.access(directory / name, os.X_OK)]
    if missing:
        raise NothingToRunError(f"KUBEBUILDER_ASSETS={directory} has no {', '.join(missing)}")
    return Programs({name: (str(directory / name),) for name in NAMES}, f"binaries of {directory}")

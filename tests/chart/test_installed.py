"""The chart, installed by Helm on a real control plane: taken as it is, and granting what it says."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml

from tests.chart.conftest import values
from tests.chart.helm import CHART, Helm
from tests.chart.test_access import Right, rights
from tests.cluster.conftest import missing
from tests.cluster.plane import programs
from tests.cluster.plane.control import ControlPlane

pytestmark = [
    pytest.mark.chart,
    pytest.mark.cluster,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(300),
]
RELEASE = "tokens-apim-token-rotator"
ACCOUNT = f"system:serviceaccount:rotator:{RELEASE}"
NAMESPACES = ("rotator", "apim", "apim-oslo", "apim-oslo-edge", "apim-bergen")
NOWHERE = ("httpRoute", "serviceMonitor", "podMonitor", "prometheusRule")
"""What needs kinds that a bare control plane does not have."""


class Cluster:
    """Commands of helm and kubectl against it."""

    def __init__(self, kubeconfig: Path, helm: Helm, directory: Path) -> None:
        self._env = {"PATH": os.environ["PATH"], "HOME": str(directory), "KUBECONFIG": str(kubeconfig)}
        self._helm = str(helm.command)
        self._directory = directory

    async def run(self, *words: str, check: bool = True, given: str = "") -> str:
        process = await asyncio.create_subprocess_exec(
            *words,
            env=self._env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        out, _ = await process.communicate(given.encode())
        assert not check or process.returncode == 0, f"{words}: {out.decode()}"
        return out.decode().strip()

    async def kubectl(self, *words: str, check: bool = True, given: str = "") -> str:
        return await self.run("kubectl", *words, check=check, given=given)

    async def upgrade(self, chosen: dict[str, Any]) -> str:
        """Install the chart, or upgrade it."""
        path = self._directory / "chosen.yaml"
        path.write_text(yaml.safe_dump(chosen))
        words = ("upgrade", "--install", "tokens", str(CHART), "-n", "rotator", "-f", str(path))
        return await self.run(self._helm, *words)

    async def uninstall(self) -> None:
        await self.run(self._helm, "uninstall", "tokens", "-n", "rotator", "--wait")

    async def may(self, right: Right) -> bool:
        resource, _, part = right.resource.partition("/")
        kind = f"{resource}.{right.group}".rstrip(".")
        named = f"{kind}/{right.name}" if right.name else kind
        words = ["auth", "can-i", right.verb, named, "-n", right.namespace, "--as", ACCOUNT]
        words += ["--subresource", part] if part else []
        return (await self.kubectl(*words, check=False)).endswith("yes")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster(
    helm: Helm, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> AsyncIterator[Cluster]:
    directory = tmp_path_factory.mktemp("installed")
    if "cluster" not in request.config.option.markexpr:
        pytest.skip("it runs with the tests that need a control plane: -m cluster")
    if not shutil.which("kubectl"):
        missing("there is no kubectl")
    if given := os.environ.get("KUBECONFIG_TEST"):
        users = await prepared(Cluster(Path(given).expanduser(), helm, directory))
        yield users
        await users.kubectl("delete", "namespace", *NAMESPACES, "--wait=false")
        return
    try:
        found = await programs.find()
    except programs.NothingToRunError as problem:
        missing(str(problem))
        return
    async with ControlPlane(directory, found) as plane:
        yield await prepared(Cluster(plane.kubeconfig, helm, directory))


async def prepared(cluster: Cluster) -> Cluster:
    """Make the namespaces of the examples; where the rotator runs, only restricted pods may."""
    for namespace in NAMESPACES:
        await cluster.kubectl("create", "namespace", namespace)
    for mode in ("enforce", "warn"):
        label = f"pod-security.kubernetes.io/{mode}=restricted"
        await cluster.kubectl("label", "namespace", "rotator", label)
    return cluster


async def test_its_account_may_do_what_the_roles_say_and_nothing_else(cluster: Cluster, helm: Helm) -> None:
    chosen = values("two-gateways")
    said = await cluster.upgrade(chosen)
    assert "warning" not in said.lower()
    try:
        granted = rights(helm.render(chosen))
        answers = {right: await cluster.may(right) for right in granted}
        assert [right for right, yes in answers.items() if not yes] == []
        beyond = [
            Right("apim-oslo", "", "secrets", "list", ""),
            Right("apim-oslo", "", "secrets", "get", "another"),
            Right("apim-oslo", "", "secrets", "update", "apim-access-token"),
            Right("apim-oslo", "", "secrets", "create", ""),
            Right("apim-oslo", "apps", "deployments", "patch", "another"),
            Right("apim-oslo", "apps", "deployments", "list", ""),
            Right("apim-oslo", "", "pods", "create", ""),
            Right("apim-bergen", "", "pods", "delete", ""),
            Right("apim-bergen", "", "pods/eviction", "create", ""),
            Right("rotator", "coordination.k8s.io", "leases", "patch", "another"),
            Right("apim-oslo", "coordination.k8s.io", "leases", "create", ""),
            Right("apim", "", "secrets", "get", "apim-access-token"),
            Right("rotator", "", "configmaps", "get", ""),
            Right("rotator", "", "secrets", "get", ""),
            Right("rotator", "", "pods", "list", ""),
            Right("rotator", "", "pods", "delete", ""),
        ]
        assert [right for right in beyond if await cluster.may(right)] == []
    finally:
        await cluster.uninstall()


@pytest.mark.parametrize("example", ["least", "everything"])
async def test_its_pods_are_admitted_where_only_restricted_pods_are(
    cluster: Cluster, helm: Helm, example: str
) -> None:
    chosen = values(example)
    chosen |= {name: {"enabled": False} for name in NOWHERE if name in chosen}
    await cluster.upgrade(chosen)
    try:
        replicas = chosen.get("replicas", 2)
        created = f"--for=jsonpath={{.status.unavailableReplicas}}={replicas}"
        await cluster.kubectl("-n", "rotator", "wait", created, f"deployment/{RELEASE}", "--timeout=60s")
        (test,) = [m for m in helm.render(chosen) if m["kind"] == "Pod"]
        words = ("create", "--dry-run=server", "-f", "-")
        assert "created" in await cluster.kubectl(*words, given=yaml.safe_dump(test))
    finally:
        await cluster.uninstall()


async def test_an_upgrade_takes_rights_away_and_an_uninstall_leaves_none(cluster: Cluster) -> None:
    chosen = values("two-gateways")
    patch = Right("apim-bergen", "", "secrets", "patch", "apim-access-token")
    await cluster.upgrade(chosen)
    assert await cluster.may(patch)
    chosen["config"]["gateways"].pop()
    await cluster.upgrade(chosen)
    assert not await cluster.may(patch)
    await cluster.uninstall()
    left = await cluster.kubectl("get", "role,rolebinding,serviceaccount,deployment", "-A", "-o", "name")
    assert RELEASE not in left

"""A cluster served on loopback, the official client, kubectl, and a program that records its starts."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from kubernetes.aio import client

from sandbox import tls
from sandbox.cluster import Cluster, Verdict
from sandbox.serve import serving

Json = dict[str, Any]
TOKEN = "not-a-real-token"


class Recording:
    """A program that becomes ready unless `verdict` returns another result; `running` is uid -> environment."""

    def __init__(self) -> None:
        self.running: dict[str, dict[str, str]] = {}
        self.starts: list[tuple[str, dict[str, str]]] = []
        self.verdict: Callable[[Mapping[str, str]], Verdict] = lambda _: Verdict.READY

    async def start(self, pod: Json, env: Mapping[str, str]) -> Verdict:
        self.running[pod["metadata"]["uid"]] = dict(env)
        self.starts.append((pod["metadata"]["name"], dict(env)))
        return self.verdict(env)

    async def stop(self, pod: Json) -> None:
        del self.running[pod["metadata"]["uid"]]


@dataclass
class Answer:
    status: int
    body: Any
    headers: Mapping[str, str]


@dataclass
class Api:
    """The official client without its models: every call returns status and body."""

    client: client.ApiClient
    opened: list[Any] = field(default_factory=list)

    async def send(
        self, method, path, body=None, media="application/json", accept="application/json", **query
    ):
        headers = {"Accept": accept} | ({"Content-Type": media} if body is not None else {})
        prepared = self.client.param_serialize(
            method,
            path,
            query_params=list(query.items()),
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
        )
        prepared = await prepared if asyncio.iscoroutine(prepared) else prepared
        return (await self.client.call_api(*prepared, _request_timeout=20.0)).response

    async def __call__(self, method, path, body=None, media="application/json", **query) -> Answer:
        response = await self.send(method, path, body, media, **query)
        text = await response.read()
        kind = response.headers.get("Content-Type", "")
        return Answer(
            response.status, json.loads(text) if "json" in kind else text.decode(), response.headers
        )

    async def merge(self, path, body, **query) -> Answer:
        return await self("PATCH", path, body, "application/merge-patch+json", **query)

    async def watch(self, path, **query) -> AsyncIterator[Json]:
        """The events of a watch; the connection is closed when the iteration ends."""
        response = await self.send("GET", path, watch="true", **query)
        try:
            assert response.status == 200, await response.read()
            async for line in response.content:
                yield json.loads(line)
        finally:
            response.close()


@pytest.fixture
def program() -> Recording:
    return Recording()


@pytest.fixture
async def cluster(program):
    async with Cluster(program, token=TOKEN, ready_delay=0.02, term_delay=0.02, retry_delay=0.02) as running:
        yield running


@pytest.fixture
async def url(cluster):
    async with serving({"kubernetes": cluster.app}, {}) as urls:
        yield urls["kubernetes"]


@pytest.fixture
async def api(url):
    configuration = client.Configuration(host=url)
    configuration.api_key["BearerToken"] = f"Bearer {TOKEN}"
    api_client = client.ApiClient(configuration)
    try:
        yield Api(api_client)
    finally:
        await api_client.close()


@pytest.fixture
async def kubectl(cluster, tmp_path: Path):
    """Runs kubectl and returns (exit code, output, errors); skips without kubectl.

    It uses TLS, because kubectl sends no bearer token over plain HTTP.
    """
    program = shutil.which("kubectl")
    if program is None:
        pytest.skip("kubectl is not on the PATH")
    certificates = tls.create(tmp_path)
    env = {"HOME": str(tmp_path), "PATH": str(Path(program).parent)}

    async with serving({"kubernetes": cluster.app}, {"kubernetes": certificates}) as urls:
        options = (
            f"--server={urls['kubernetes']}",
            f"--certificate-authority={certificates.ca}",
            f"--token={TOKEN}",
        )

        async def run(*arguments: str, text: str = "") -> tuple[int, str, str]:
            pipe = asyncio.subprocess.PIPE
            process = await asyncio.create_subprocess_exec(
                program, *options, *arguments, stdin=pipe, stdout=pipe, stderr=pipe, env=env
            )
            out, err = await process.communicate(text.encode())
            return process.returncode or 0, out.decode(), err.decode()

        yield run


def deployment(name: str = "web", namespace: str = "default", **spec: Any) -> Json:
    return workload("Deployment", name, namespace, **spec)


def workload(kind: str, name: str, namespace: str = "default", **spec: Any) -> Json:
    container = {"name": "gateway", "image": "gateway:v2"}
    container["envFrom"] = [{"secretRef": {"name": "settings", "optional": True}}]
    template = {
        "metadata": {"labels": {"app": name}, "annotations": {"mark": "1"}},
        "spec": {"containers": [container]},
    }
    base = {"selector": {"matchLabels": {"app": name}}, "template": template}
    return {"kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": base | spec}


def secret(name: str = "settings", namespace: str = "default", **texts: str) -> Json:
    return {"kind": "Secret", "metadata": {"name": name, "namespace": namespace}, "stringData": texts}


def marked(mark: str) -> Json:
    """A merge patch that changes the template's annotation."""
    return {"spec": {"template": {"metadata": {"annotations": {"mark": mark}}}}}


def done(kind: str, name: str, namespace: str = "default") -> Callable[[Cluster], bool]:
    """Whether the rollout is complete and no old pod is left, not even a terminating one."""

    def is_done(cluster: Cluster) -> bool:
        obj = cluster.get(kind, namespace, name)
        assert obj is not None
        wanted = 1 if kind == "DaemonSet" else obj["spec"]["replicas"]
        pods = pods_of(cluster, name, namespace)
        ready = [pod for pod in pods if is_ready(pod) and mark_of(pod) == mark_of(obj["spec"]["template"])]
        observed = obj.get("status", {}).get("observedGeneration") == obj["metadata"]["generation"]
        return observed and len(ready) == len(pods) == wanted and ready_count(kind, obj) == wanted

    return is_done


def ready_count(kind: str, obj: Json) -> int:
    return obj["status"].get("numberAvailable" if kind == "DaemonSet" else "availableReplicas", 0)


def pods_of(cluster: Cluster, app: str, namespace: str = "default") -> list[Json]:
    return [pod for pod in cluster.list("Pod", namespace) if pod["metadata"]["labels"].get("app") == app]


def mark_of(obj: Json) -> str | None:
    return obj["metadata"].get("annotations", {}).get("mark")


def is_ready(pod: Json) -> bool:
    conditions = pod["status"].get("conditions", [])
    terminating = "deletionTimestamp" in pod["metadata"]
    return not terminating and any(
        entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions
    )

"""The cluster: store, API, controllers and kubelet together, with direct access for tests."""

from __future__ import annotations

import asyncio
import contextlib
import copy
from collections.abc import Callable
from types import TracebackType
from typing import Self

from starlette.applications import Starlette

from sandbox.cluster import manifests
from sandbox.cluster.access import Access, Rule
from sandbox.cluster.api import Api
from sandbox.cluster.controllers import Controllers
from sandbox.cluster.kubelet import Delays, Kubelet
from sandbox.cluster.ownership import Writer
from sandbox.cluster.pod_faults import PodFaults
from sandbox.cluster.program import Program
from sandbox.cluster.recorder import Recorder
from sandbox.cluster.registry import Registry
from sandbox.cluster.resources import BY_KIND, BY_PLURAL
from sandbox.cluster.store import Change, Store
from sandbox.common import Clock, Json, utc_now

Objects = list[Json]
NODE_STATUS: Json = {
    "capacity": {"cpu": "64", "memory": "256Gi", "pods": "500"},
    "allocatable": {"cpu": "64", "memory": "256Gi", "pods": "500"},
    "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "sandbox"}],
    "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
    "nodeInfo": {"kubeletVersion": "v1.32.0+sandbox", "operatingSystem": "linux", "architecture": "amd64"},
}


class Cluster:
    """A Kubernetes control plane and its nodes in this event loop. `app` is the application of its API.

    Delays are in seconds; `progress_scale` multiplies progressDeadlineSeconds and minReadySeconds of specs.
    Methods take and return copies of objects.
    """

    def __init__(
        self,
        program: Program,
        *,
        token: str | None = None,
        ready_delay: float = 0.2,
        term_delay: float = 0.1,
        retry_delay: float = 0.1,
        progress_scale: float = 1.0,
        nodes: int = 1,
        clock: Clock = utc_now,
    ) -> None:
        self._store = Store(clock)
        self._registry = Registry(self._store)
        recorder = Recorder(self._registry)
        self._access = Access(clock)
        self._pod_faults = PodFaults(self._store)
        self._controllers = Controllers(self._registry, recorder, progress_scale)
        delays = Delays(ready_delay, term_delay, retry_delay)
        self._kubelet = Kubelet(self._registry, recorder, program, self._pod_faults, delays, self._check)
        self._nodes = nodes
        self._task: asyncio.Task[None] | None = None
        self._failures: list[BaseException] = []
        self._waiting: set[asyncio.Event] = set()
        self._api = Api(self._registry, self._access, token)
        self.app: Starlette = self._api.app

    async def __aenter__(self) -> Self:
        for listener in (self._controllers.notice, self._kubelet.notice, self._wake):
            self._store.listen(listener)
        self._task = asyncio.create_task(self._controllers.run(), name="sandbox controllers")
        self._task.add_done_callback(self._check)
        for number in range(self._nodes):
            meta = {"name": f"node-{number}", "labels": {"kubernetes.io/hostname": f"node-{number}"}}
            self.apply({"kind": "Node", "metadata": meta, "spec": {}, "status": NODE_STATUS})
        for name in ("default", "kube-system"):
            self._ensure_namespace(name)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._controllers.stop()
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._kubelet.stop()
        self._store.cut_feeds()
        if kind is None:
            self._raise_failure()

    def apply(self, manifest: Json, manager: str = "sandbox") -> Json:
        """Create or replace an object; its namespace is "default" unless named, and is created if absent.

        `manager` is the field manager of the write.
        """
        by = Writer(manager)
        resource = BY_KIND[manifest["kind"]]
        meta = manifest["metadata"]
        namespace = meta.get("namespace", "default") if resource.namespaced else ""
        if namespace:
            self._ensure_namespace(namespace)
        known = self._store.get((resource.plural, namespace, meta["name"]))
        if known and resource.kind == "Lease":
            manifest = manifest | {
                "metadata": {"resourceVersion": known["metadata"]["resourceVersion"]} | meta
            }
        if known:
            return copy.deepcopy(self._registry.replace(resource, namespace, meta["name"], manifest, by=by))
        return copy.deepcopy(self._registry.create(resource, namespace, manifest, by=by))

    def load(self, text: str, **placeholders: str) -> Objects:
        """Apply all documents of a YAML text. The argument `gateway_name` replaces `<gateway-name>`.

        Raises:
            ValueError: a placeholder has no value.
        """
        return [self.apply(document) for document in manifests.parse(text, placeholders)]

    def get(self, kind: str, namespace: str, name: str) -> Json | None:
        return copy.deepcopy(self._store.get((_plural(kind), namespace, name)))

    def list(self, kind: str, namespace: str | None = None) -> Objects:
        return copy.deepcopy(self._store.all(_plural(kind), namespace))

    def patch(
        self, kind: str, namespace: str, name: str, patch: Json, manager: str = "another-writer"
    ) -> Json:
        """Apply a merge patch as another writer with this field manager. Raises ApiError as the API does."""
        at = (BY_PLURAL[_plural(kind)], namespace, name)
        media = "application/merge-patch+json"
        return copy.deepcopy(self._registry.patch(*at, patch, media, by=Writer(manager)))

    def delete(self, kind: str, namespace: str, name: str) -> None:
        """Delete an object as another writer; pods terminate gracefully. Raises ApiError if it is absent."""
        self._registry.delete(BY_PLURAL[_plural(kind)], namespace, name)

    def restart(self, namespace: str, pod: str) -> None:
        """Restart the pod's container, which resolves its environment anew.

        Raises:
            LookupError: there is no such running pod.
        """
        self._kubelet.restart(namespace, pod)

    def set_pod_fault(self, namespace: str, workload: str, fault: str | None) -> None:
        """Give pods of this workload that start from now on a fault; None removes it.

        `fault` is never-ready, crash-loop, image-pull or hang; else ValueError.
        """
        self._pod_faults.set(namespace, workload, fault)

    def deny(self, verb: str, resource: str, namespace: str | None = None) -> None:
        """Refuse a verb on a resource (`secrets`, `pods/log`, "*") with 403 and in access reviews."""
        self._access.deny(Rule(verb, resource, namespace))

    def allow(self, verb: str, resource: str, namespace: str | None = None) -> None:
        """Undo a `deny`."""
        self._access.allow(Rule(verb, resource, namespace))

    def set_token(self, token: str) -> None:
        """Require this bearer token from now on. Open watches stay open."""
        self._api.set_token(token)

    def compact(self) -> None:
        """Answer 410 to watches from any version returned so far, as after a restart of the API server."""
        self._store.compact()

    def drop_watches(self) -> None:
        """Break the connections of all watches, as a crash of the API server does."""
        self._store.cut_feeds()

    @property
    def watches(self) -> int:
        """The number of open watches."""
        return self._store.feeds()

    async def wait_for(
        self,
        predicate: Callable[[Cluster], bool],
        timeout: float | None = 60,  # noqa: ASYNC109 - a limit for this wait
    ) -> None:
        """Wait until `predicate` is true; check after every change. Raises TimeoutError after `timeout` s."""
        changed = asyncio.Event()
        self._waiting.add(changed)
        try:
            async with asyncio.timeout(timeout):
                while not predicate(self):
                    self._raise_failure()
                    await changed.wait()
                    changed.clear()
        finally:
            self._waiting.discard(changed)

    def _ensure_namespace(self, name: str) -> None:
        if self._store.get(("namespaces", "", name)) is None:
            meta = {"name": name, "labels": {"kubernetes.io/metadata.name": name}}
            self._registry.create(BY_PLURAL["namespaces"], "", {"metadata": meta})
            self._registry.create(BY_PLURAL["serviceaccounts"], name, {"metadata": {"name": "default"}})

    def _wake(self, _: Change | None = None) -> None:
        for changed in self._waiting:
            changed.set()

    def _check(self, task: asyncio.Task[None]) -> None:
        """Keep an error of a task, which is a defect, and raise it in `wait_for` and at the end."""
        if not task.cancelled() and (error := task.exception()):
            self._failures.append(error)
            self._wake()

    def _raise_failure(self) -> None:
        if self._failures:
            raise self._failures[0]


def _plural(kind: str) -> str:
    return BY_KIND[kind].plural if kind in BY_KIND else BY_PLURAL[kind].plural

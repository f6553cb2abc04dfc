"""A cluster to test against, real or the sandbox's: the same hands on both."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox import tls
from sandbox.cluster import Cluster
from sandbox.cluster.kubelet import Delays
from sandbox.serve import serving
from tests.cluster.api import Api, ApiError, Json, path
from tests.cluster.kubelet.fake import Kubelet, Sleeper
from tests.cluster.plane.control import ControlPlane
from tests.cluster.plane.reach import Reach

_turn = itertools.count(1)
_TOKEN = "not-a-real-token"


@dataclass
class World:
    """One cluster and its administrator. `kubelet` and `plane` only where it is real, and ours."""

    name: str
    api: Api
    reach: Reach
    kubelet: Kubelet | None = None
    plane: ControlPlane | None = None
    sandbox: Cluster | None = None

    async def namespace(self, prefix: str = "t") -> str:
        """Make a namespace in which pods can be created."""
        name = f"{prefix}-{os.getpid()}-{next(_turn)}"
        await self.api.create({"kind": "Namespace", "metadata": {"name": name}})
        await self.until("ServiceAccount", name, "default", lambda _: True)
        return name

    async def until(
        self, kind: str, namespace: str, name: str, wanted: Callable[[Json], bool], within: float = 40
    ) -> Json:
        """The object as soon as `wanted` is true of it. Raises TimeoutError with its last status."""
        last: Json = {}
        end = time.monotonic() + within
        while (left := end - time.monotonic()) > 0:
            with contextlib.suppress(EOFError):
                try:
                    async with self.api.watch(
                        path(kind, namespace), fieldSelector=f"metadata.name={name}"
                    ) as watch:
                        async with asyncio.timeout(left):
                            while event := await watch.next(left):
                                last = event["object"]
                                if event["type"] in {"ADDED", "MODIFIED"} and wanted(last):
                                    return last
                except TimeoutError:
                    break
        raise TimeoutError(f"{kind} {namespace}/{name} never came to it: {last.get('status')}")

    async def apply(self, manifest: Json, namespace: str) -> Json:
        """Create, or replace by a merge patch."""
        try:
            return await self.api.create(manifest, namespace)
        except ApiError as failure:
            if failure.status != 409:
                raise
        return await self.api.patch(manifest["kind"], namespace, manifest["metadata"]["name"], manifest)

    async def expire(self) -> None:
        """Have every version of before forgotten, as by an API server that was started anew."""
        if self.sandbox:
            self.sandbox.compact()
        elif self.plane:
            await self.plane.apiserver.kill()
            await self.plane.start_apiserver()
        else:
            pytest.skip("the cluster is not ours to restart")


@asynccontextmanager
async def sandbox_world(directory: Path, delays: Delays) -> AsyncIterator[World]:
    """The sandbox's cluster over HTTPS, with a program that does nothing in each pod."""
    files = tls.create(directory)
    cluster = Cluster(
        Sleeper(),
        token=_TOKEN,
        ready_delay=delays.ready,
        term_delay=delays.term,
        retry_delay=delays.retry,
    )
    async with serving({"kubernetes": cluster.app}, {"kubernetes": files}) as urls, cluster:
        reach = Reach(urls["kubernetes"], files.ca, token=_TOKEN)
        async with reach.api() as api:
            yield World("sandbox", api, reach, sandbox=cluster)

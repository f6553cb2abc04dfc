"""A kubelet for several nodes: watches the pods that the real scheduler bound to them, and lives their lives."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import aiohttp

from sandbox.cluster.kubelet import Delays
from sandbox.cluster.podstatus import Life
from sandbox.cluster.program import Program, Verdict
from tests.cluster.api import Api, ApiError, Json, path
from tests.cluster.kubelet.behavior import Behavior
from tests.cluster.kubelet.nodes import heartbeat, now, register
from tests.cluster.kubelet.pod import Pod

_HEARTBEAT = 20.0
_TRY_AGAIN = 0.2
_TROUBLE = (aiohttp.ClientError, ApiError, TimeoutError, OSError, ValueError)


class Sleeper:
    """A program that starts well and does nothing."""

    async def start(self, pod: Json, env: Mapping[str, str]) -> Verdict:
        return Verdict.READY

    async def stop(self, pod: Json) -> None:
        pass


@dataclass(slots=True)
class _Entry:
    pod: Pod
    task: asyncio.Task[None]
    ending: bool = False


class Kubelet:
    """Runs pods while it is entered. `programs` says per namespace what runs in its containers."""

    def __init__(self, api: Api, nodes: int = 3, delays: Delays | None = None) -> None:
        self._api = api
        self._nodes = [f"fake-node-{number}" for number in range(nodes)]
        self._delays = delays or Delays()
        self._pods: dict[str, _Entry] = {}
        self._turn = itertools.count(1)
        self._tasks: list[asyncio.Task[None]] = []
        self.behavior = Behavior()
        self.programs: dict[str, Program] = {}

    async def __aenter__(self) -> Self:
        for name in self._nodes:
            await register(self._api, name)
            await heartbeat(self._api, name)
        self._tasks = [asyncio.create_task(self._follow()), asyncio.create_task(self._beat())]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        tasks = [*self._tasks, *(entry.task for entry in self._pods.values())]
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        defects = [r for r in results if isinstance(r, Exception)]
        if defects and kind is None:
            raise ExceptionGroup("the fake kubelet failed", defects)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(_HEARTBEAT)
            for name in self._nodes:
                with contextlib.suppress(*_TROUBLE):
                    await heartbeat(self._api, name)

    async def _follow(self) -> None:
        """List, then watch, and again whenever that ends."""
        while True:
            try:
                listed = await self._api.ask("GET", path("Pod"))
                self._forget({pod["metadata"]["uid"] for pod in listed["items"]})
                for pod in listed["items"]:
                    self._see(pod)
                version = listed["metadata"]["resourceVersion"]
                async with self._api.watch(path("Pod"), resourceVersion=version) as watch:
                    while event := await watch.next(within=130):
                        self._notice(event)
            except _TROUBLE:
                await asyncio.sleep(_TRY_AGAIN)

    def _notice(self, event: Json) -> None:
        if event["type"] == "ERROR":
            raise ValueError("the watch expired")
        if event["type"] == "DELETED":
            self._forget(set(self._pods) - {event["object"]["metadata"]["uid"]})
        else:
            self._see(event["object"])

    def _see(self, pod: Json) -> None:
        if pod["spec"].get("nodeName") not in self._nodes:
            return
        uid, dying = pod["metadata"]["uid"], "deletionTimestamp" in pod["metadata"]
        entry = self._pods.get(uid)
        if entry is None:
            address = "10.244.{}.{}".format(*divmod(next(self._turn) % 60_000, 250))
            program = self.programs.get(pod["metadata"]["namespace"], Sleeper())
            made = Pod(self._api, pod, program, self.behavior, self._delays, Life(now(), address))
            life = made.end() if dying else made.run()
            self._pods[uid] = _Entry(made, asyncio.create_task(life), dying)
        elif dying and not entry.ending:
            entry.ending = True
            entry.pod.known = pod
            entry.task = asyncio.create_task(self._end(entry.pod, entry.task))

    async def _end(self, pod: Pod, life: asyncio.Task[None]) -> None:
        life.cancel()
        await asyncio.gather(life, return_exceptions=True)
        await pod.end()

    def _forget(self, alive: set[str]) -> None:
        """Stop the programs of pods that no longer exist, whatever ended them."""
        for uid in set(self._pods) - alive:
            entry = self._pods.pop(uid)
            if not entry.ending:
                entry.task.cancel()
            self._tasks.append(asyncio.create_task(entry.pod.stop()))

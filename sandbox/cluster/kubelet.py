"""The nodes: they schedule pods, start their program, report their state and end them.

A pod's environment is resolved at its start and passed to the program; the kubelet does not keep it.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from dataclasses import dataclass

from sandbox.cluster.environment import ConfigError, missing_volume, resolve
from sandbox.cluster.objects import (
    Key,
    is_terminating,
    name_of,
    namespace_of,
    stamp,
    uid_of,
)
from sandbox.cluster.pod_faults import PodFaults
from sandbox.cluster.podstatus import Life, running, status, waiting
from sandbox.cluster.program import Program, Verdict
from sandbox.cluster.recorder import Recorder
from sandbox.cluster.registry import Registry
from sandbox.cluster.store import Change
from sandbox.common import Json

MAX_BACK_OFF = 20.0
"""Seconds between two starts of a failing container at most."""
_COMPONENT = "kubelet"


@dataclass(frozen=True, slots=True)
class Delays:
    """Seconds from start to Ready, from deletion to removal, and of the first back-off, which doubles."""

    ready: float = 0.2
    term: float = 0.1
    retry: float = 0.1


@dataclass(slots=True)
class _Running:
    pod: Json
    life: Life
    task: asyncio.Task[None]
    started: bool = False
    ending: bool = False


class Kubelet:
    """Runs pods, one task each. `watch_task` is called with every task that ends, to report its error."""

    def __init__(
        self,
        registry: Registry,
        recorder: Recorder,
        program: Program,
        pod_faults: PodFaults,
        delays: Delays,
        watch_task: Callable[[asyncio.Task[None]], None],
    ) -> None:
        self._registry, self._store, self._recorder = registry, registry.store, recorder
        self._program, self._pod_faults, self._delays = program, pod_faults, delays
        self._watch_task = watch_task
        self._pods: dict[str, _Running] = {}
        self._turn = itertools.count()

    def notice(self, change: Change) -> None:
        """Start or end a pod after a change. Called inside a write to the store, so it only starts tasks."""
        if change.key[0] != "pods":
            return
        entry = self._pods.get(uid_of(change.obj))
        if change.type == "ADDED":
            address = "10.244.{}.{}".format(*divmod(next(self._turn) % 60_000, 250))
            life = Life(stamp(self._store.clock()), address)
            task = self._spawn(self._run(change.obj, life))
            self._pods[uid_of(change.obj)] = _Running(change.obj, life, task)
        elif entry and not entry.ending and (change.type == "DELETED" or is_terminating(change.obj)):
            entry.ending = True
            entry.task = self._spawn(self._end(change, entry, entry.task))

    def restart(self, namespace: str, name: str) -> None:
        """Restart the pod's container, which resolves its environment anew.

        Raises:
            LookupError: there is no such running pod.
        """
        pod = self._store.get(("pods", namespace, name))
        entry = self._pods.get(uid_of(pod)) if pod else None
        if pod is None or entry is None or entry.ending:
            raise LookupError(f"no running pod {namespace}/{name}")
        entry.task = self._spawn(self._restart(entry, entry.task))

    async def stop(self) -> None:
        """End all tasks and programs. The pods stay in the store."""
        entries = list(self._pods.values())
        for entry in entries:
            entry.task.cancel()
        await asyncio.gather(*(entry.task for entry in entries), return_exceptions=True)
        for entry in entries:
            await self._stop_program(entry)
        self._pods.clear()

    def _spawn(self, life: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(life)
        task.add_done_callback(self._watch_task)
        return task

    async def _end(self, change: Change, entry: _Running, life: asyncio.Task[None]) -> None:
        await _cancelled(life)
        if change.type != "DELETED":
            grace = change.obj["metadata"].get("deletionGracePeriodSeconds", 0)
            await asyncio.sleep(min(self._delays.term, grace))
        await self._stop_program(entry)
        self._pods.pop(uid_of(entry.pod), None)
        if self._current(entry.pod):
            self._recorder.record(entry.pod, "Killing", "Stopping container", _COMPONENT)
            self._store.remove(_key(entry.pod))

    async def _restart(self, entry: _Running, life: asyncio.Task[None]) -> None:
        await _cancelled(life)
        await self._stop_program(entry)
        self._finished(entry.life, code=137)
        await self._run(entry.pod, entry.life)

    async def _stop_program(self, entry: _Running) -> None:
        if entry.started:
            entry.started = False
            await self._program.stop(entry.pod)

    async def _run(self, pod: Json, life: Life) -> None:
        """Bring the pod from Pending to Ready, or as far as possible."""
        if not pod["spec"].get("nodeName"):
            self._schedule(pod)
        for attempt in itertools.count():
            fault = self._pod_faults.of(pod)
            if fault == "hang":
                self._report(pod, life, waiting("ContainerCreating"), mounted=False)
                return
            env = self._environment(pod, life, fault, first=attempt == 0)
            if env is not None:
                verdict = await self._start(pod, life, env, fault)
                if verdict is not Verdict.CRASH:
                    await self._settle(pod, life, verdict)
                    return
                await self._crashed(pod, life, self._back_off(attempt))
            await asyncio.sleep(self._back_off(attempt))

    async def _settle(self, pod: Json, life: Life, verdict: Verdict) -> None:
        self._recorder.record(pod, "Started", "Started container", _COMPONENT)
        if verdict is Verdict.READY:
            await asyncio.sleep(self._delays.ready)
            self._report(pod, life, running(life), ready=True)

    def _schedule(self, pod: Json) -> None:
        nodes = self._store.all("nodes")
        node = name_of(nodes[next(self._turn) % len(nodes)])
        self._registry.modify(_key(pod), lambda obj: obj["spec"].update(nodeName=node))
        message = f"Successfully assigned {namespace_of(pod)}/{name_of(pod)} to {node}"
        self._recorder.record(pod, "Scheduled", message, "default-scheduler")

    def _environment(self, pod: Json, life: Life, fault: str | None, *, first: bool) -> dict[str, str] | None:
        """Return the container's environment. If it cannot start now, report that and return None."""
        if missing := missing_volume(self._store, pod):
            self._report(pod, life, waiting("ContainerCreating"), mounted=False)
            self._warn(pod, "FailedMount", f"MountVolume.SetUp failed for volume: {missing}", first)
            return None
        if fault == "image-pull":
            image = pod["spec"]["containers"][0]["image"]
            self._report(pod, life, waiting("ImagePullBackOff", f'Back-off pulling image "{image}"'))
            self._warn(pod, "Failed", "Error: ImagePullBackOff", first)
            return None
        try:
            return resolve(self._store, pod)
        except ConfigError as error:
            self._report(pod, life, waiting("CreateContainerConfigError", str(error)))
            self._warn(pod, "Failed", f"Error: {error}", first)
            return None

    async def _start(self, pod: Json, life: Life, env: dict[str, str], fault: str | None) -> Verdict:
        life.started = self._store.clock()
        self._report(pod, life, running(life))
        if fault == "crash-loop":
            return Verdict.CRASH
        if entry := self._pods.get(uid_of(pod)):
            entry.started = True
        verdict = await self._program.start(pod, env)
        return Verdict.NEVER_READY if fault == "never-ready" and verdict is Verdict.READY else verdict

    async def _crashed(self, pod: Json, life: Life, delay: float) -> None:
        if entry := self._pods.get(uid_of(pod)):
            await self._stop_program(entry)
        self._finished(life, code=1)
        message = f"back-off {delay:g}s restarting failed container={pod['spec']['containers'][0]['name']}"
        self._report(pod, life, waiting("CrashLoopBackOff", message))
        self._warn(pod, "BackOff", "Back-off restarting failed container", life.restarts == 1)

    def _finished(self, life: Life, *, code: int) -> None:
        now = self._store.clock()
        times = {"startedAt": stamp(life.started or now), "finishedAt": stamp(now)}
        life.last = {"terminated": {"exitCode": code, "reason": "Error"} | times}
        life.restarts += 1

    def _back_off(self, attempt: int) -> float:
        return float(min(self._delays.retry * 2 ** min(attempt, 16), MAX_BACK_OFF))

    def _current(self, pod: Json) -> Json | None:
        found = self._store.get(_key(pod))
        return found if found and uid_of(found) == uid_of(pod) else None

    def _report(
        self, pod: Json, life: Life, state: Json, *, ready: bool = False, mounted: bool = True
    ) -> None:
        current = self._current(pod)
        if current:
            new = status(current, life, state, self._store.clock(), ready=ready, mounted=mounted)
            self._registry.modify(_key(pod), lambda obj: obj.update(status=new), status=True)

    def _warn(self, pod: Json, reason: str, message: str, first: bool) -> None:
        if first:
            self._recorder.record(pod, reason, message, _COMPONENT, "Warning")


def _key(pod: Json) -> Key:
    return ("pods", namespace_of(pod), name_of(pod))


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

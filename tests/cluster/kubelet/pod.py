"""One pod on a fake node: from bound to Ready, through crashes, to its end. No container runs, a program does."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

import aiohttp

from sandbox.cluster.environment import ConfigError, missing_volume, resolve
from sandbox.cluster.kubelet import MAX_BACK_OFF, Delays
from sandbox.cluster.objects import stamp
from sandbox.cluster.podstatus import Life, running, status, waiting
from sandbox.cluster.program import Program, Verdict
from tests.cluster.api import Api, ApiError, Json, path
from tests.cluster.kubelet.behavior import Behavior
from tests.cluster.kubelet.references import References

Result = TypeVar("Result")
_GONE = (404, 409)
_TRY_AGAIN = 0.5


@dataclass(slots=True)
class Pod:
    """What the node knows of one pod. `known` is its last state."""

    api: Api
    known: Json
    program: Program
    behavior: Behavior
    delays: Delays
    life: Life
    started: bool = False

    async def run(self) -> None:
        """Live until Ready, or for ever in a crash loop. Ends quietly when the pod is gone."""
        for attempt in itertools.count():
            behavior = self.behavior.of(self.known)
            if behavior == "hang":
                await self._report(waiting("ContainerCreating"), mounted=False)
                return
            env = await self._environment(behavior)
            if env is not None:
                verdict = await self._start(env, behavior)
                if verdict is not Verdict.CRASH:
                    await self._settle(verdict)
                    return
                await self._crashed()
            await asyncio.sleep(min(self.delays.retry * 2 ** min(attempt, 16), MAX_BACK_OFF))

    async def end(self) -> None:
        """Its grace is over: stop the program, and let the object go."""
        grace = self.known["metadata"].get("deletionGracePeriodSeconds") or 0
        await asyncio.sleep(min(self.delays.term, grace))
        await self.stop()
        meta = self.known["metadata"]
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": meta["uid"]}}
        await _patiently(lambda: self.api.ask("DELETE", self._path(), options))

    async def stop(self) -> None:
        if self.started:
            self.started = False
            await self.program.stop(self.known)

    async def _environment(self, behavior: str) -> dict[str, str] | None:
        """What the container starts with; None, and reported, if it cannot start now."""
        objects = await _patiently(lambda: References.fetch(self.api, self.known))
        if objects is None or missing_volume(objects, self.known):
            await self._report(waiting("ContainerCreating"), mounted=False)
            return None
        if behavior == "image-pull":
            image = self.known["spec"]["containers"][0]["image"]
            await self._report(waiting("ImagePullBackOff", f'Back-off pulling image "{image}"'))
            return None
        try:
            return resolve(objects, self.known)
        except ConfigError as error:
            await self._report(waiting("CreateContainerConfigError", str(error)))
            return None

    async def _start(self, env: dict[str, str], behavior: str) -> Verdict:
        self.life.started = datetime.now(UTC)
        await self._report(running(self.life))
        if behavior == "crash-loop":
            return Verdict.CRASH
        self.started = True
        verdict = await self.program.start(self.known, env)
        return Verdict.NEVER_READY if behavior == "never-ready" else verdict

    async def _settle(self, verdict: Verdict) -> None:
        if verdict is Verdict.READY:
            await asyncio.sleep(self.delays.ready)
            await self._report(running(self.life), ready=True)

    async def _crashed(self) -> None:
        await self.stop()
        times = {"startedAt": stamp(self.life.started), "finishedAt": stamp(datetime.now(UTC))}
        self.life.last = {"terminated": {"exitCode": 1, "reason": "Error"} | times}
        self.life.restarts += 1
        await self._report(waiting("CrashLoopBackOff", "back-off restarting failed container"))

    async def _report(self, state: Json, *, ready: bool = False, mounted: bool = True) -> None:
        now = datetime.now(UTC)
        new = status(self.known, self.life, state, now, ready=ready, mounted=mounted)
        del new["qosClass"]  # the API server's own to say
        body = {"metadata": {"uid": self.known["metadata"]["uid"]}, "status": new}
        where = f"{self._path()}/status"
        media = "application/strategic-merge-patch+json"
        if answer := await _patiently(lambda: self.api.ask("PATCH", where, body, media)):
            self.known = answer

    def _path(self) -> str:
        meta = self.known["metadata"]
        return path("Pod", meta["namespace"], meta["name"])


async def _patiently(do: Callable[[], Awaitable[Result]]) -> Result | None:
    """Until it succeeds: the API server may be down. None if the object is gone, or another by now."""
    while True:
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
            try:
                return await do()
            except ApiError as failure:
                if failure.status in _GONE:
                    return None
                if failure.status < 500 and failure.status != 429:
                    raise
        await asyncio.sleep(_TRY_AGAIN)

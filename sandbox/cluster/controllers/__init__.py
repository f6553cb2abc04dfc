"""The controllers: one queue of keys, one task that reconciles them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sandbox.cluster.controllers import accounts, daemonset, disruption, garbage, replicaset, statefulset
from sandbox.cluster.controllers.common import Tools
from sandbox.cluster.controllers.deployment import DeploymentController
from sandbox.cluster.objects import Key, controller_of, is_terminating, name_of, namespace_of, uid_of
from sandbox.cluster.recorder import Recorder
from sandbox.cluster.registry import Registry
from sandbox.cluster.resources import BY_KIND
from sandbox.cluster.store import Change
from sandbox.common import Json

_GARBAGE = "garbage"


class Controllers:
    """Level-triggered: a change only names the object to reconcile; reconciling it reads everything anew."""

    def __init__(self, registry: Registry, recorder: Recorder, scale: float) -> None:
        self._tools = Tools(registry, recorder, self._later, scale)
        self._syncs: dict[str, Callable[[Json], None]] = {
            "deployments": DeploymentController(self._tools).sync,
            "replicasets": lambda obj: replicaset.sync(self._tools, obj),
            "statefulsets": lambda obj: statefulset.sync(self._tools, obj),
            "daemonsets": lambda obj: daemonset.sync(self._tools, obj),
            "poddisruptionbudgets": lambda obj: disruption.sync(self._tools, obj),
            "namespaces": self._namespace,
        }
        self._dirty: dict[Key, None] = {}
        self._wake = asyncio.Event()
        self._timers: dict[Key, asyncio.TimerHandle] = {}

    def notice(self, change: Change) -> None:
        """Queue the object of a change, its controller, its dependents and its namespace."""
        plural, namespace, _ = change.key
        if plural in self._syncs and change.type != "DELETED":
            self._add(change.key)
        if owner := controller_of(change.obj):
            resource = BY_KIND.get(owner["kind"])
            if resource and resource.plural in self._syncs:
                self._add((resource.plural, namespace_of(change.obj), owner["name"]))
        if plural == "pods":
            for budget in self._tools.store.all("poddisruptionbudgets", namespace):
                self._add(("poddisruptionbudgets", namespace, name_of(budget)))
        if change.type == "DELETED":
            self._add((_GARBAGE, "", uid_of(change.obj)))
            self._tools.ready_since.pop(uid_of(change.obj), None)
            home = self._tools.store.get(("namespaces", "", namespace))
            if home and is_terminating(home):
                self._add(("namespaces", "", namespace))

    async def run(self) -> None:
        while True:
            await self._wake.wait()
            while self._dirty:
                key = next(iter(self._dirty))
                del self._dirty[key]
                self._sync(key)
                await asyncio.sleep(0)  # let requests run in between
            self._wake.clear()

    def stop(self) -> None:
        for timer in self._timers.values():
            timer.cancel()

    def _sync(self, key: Key) -> None:
        if key[0] == _GARBAGE:
            garbage.collect(self._tools, key[2])
        elif obj := self._tools.store.get(key):
            self._syncs[key[0]](obj)

    def _namespace(self, namespace: Json) -> None:
        accounts.ensure_account(self._tools, namespace)
        garbage.empty_namespace(self._tools, namespace)

    def _add(self, key: Key) -> None:
        self._dirty[key] = None
        self._wake.set()

    def _later(self, key: Key, seconds: float) -> None:
        """Reconcile again after `seconds`, or earlier if that is planned already."""
        loop = asyncio.get_running_loop()
        due, known = loop.time() + seconds, self._timers.get(key)
        if known and not known.cancelled() and loop.time() < known.when() <= due:
            return
        if known:
            known.cancel()
        self._timers[key] = loop.call_at(due, self._add, key)

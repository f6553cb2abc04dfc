"""The target store: observes the targets of one gateway, writes their Secrets, restarts their workloads."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from rotator.config import TargetSettings
from rotator.core.observation import Observation, Pod, Request, Target, Workload
from rotator.core.records import Record
from rotator.errors import Conflict, Refused, Unavailable
from rotator.kube.client import paths
from rotator.kube.client.cluster import Cluster
from rotator.kube.client.clusters import Clusters
from rotator.kube.client.responses import Json, NotFound
from rotator.kube.event_sink import EventSink, Reference
from rotator.kube.lease import KubeLease
from rotator.kube.targets.observe import TargetObserver
from rotator.kube.targets.patch_check import check_applied
from rotator.kube.targets.patches import request_patch, restart_patch, token_patch
from rotator.kube.targets.pods import pod_of
from rotator.kube.targets.secret import read_issued_token
from rotator.kube.targets.snapshot import TargetSnapshot
from rotator.kube.targets.workloads import name_of
from rotator.ports import IssuedToken, TargetStore

_log = logging.getLogger("rotator.kube")


class KubeTargetStore(TargetStore):
    """Implements the port `TargetStore`. A target's name is its settings' `place`."""

    def __init__(
        self,
        clusters: Clusters,
        gateway: str,
        targets: Sequence[TargetSettings],
        lease: KubeLease,
        clock: Callable[[], datetime],
        events: EventSink | None = None,
    ) -> None:
        """gateway: the last segment of its ARM id, which tokens must carry. clock: time, UTC."""
        self._gateway = gateway
        self._settings = {settings.place: settings for settings in targets}
        self._observer = TargetObserver(clusters, gateway, self._settings, lease)
        self._clock = clock
        self._events = events

    async def observe(self) -> Observation:
        """Return the targets and the Lease as they are now. Raises Unavailable; Refused: the Lease may not
        be read.
        """
        return await self._observer.observe(with_workloads=True)

    async def secrets(self) -> Observation:
        """As observe, but without workloads and Lease."""
        return await self._observer.observe(with_workloads=False)

    async def write(self, target: Target, token: IssuedToken | None, record: Record) -> None:
        """Replace value and annotations in one guarded request. Raises Conflict, Refused, Unavailable."""
        secret = self._snapshot(target).secret
        await self._patch_secret(target, token_patch(target, secret, token, record))
        if secret.token_in_last_applied:
            self._report_leak(target.name)

    async def request(self, target: Target, request: Request) -> None:
        """Note a request. Raises as write does."""
        await self._patch_secret(target, request_patch(target, request))

    async def restart(self, target: Target, workload: Workload, template_token: str | None) -> None:
        """Set the pod template's token, and count the restart. Raises as write does."""
        settings = self._settings[target.name]
        patch = restart_patch(workload, template_token, self._clock())
        path = paths.workload(settings.namespace, workload.name)
        await self._patch(target, path, patch, f"{workload.name} of {target.name}")

    async def _patch_secret(self, target: Target, patch: Json) -> None:
        settings = self._settings[target.name]
        path = paths.secret(settings.namespace, settings.secret)
        await self._patch(target, path, patch, f"Secret {target.name}")

    async def _patch(self, target: Target, path: str, patch: Json, what: str) -> None:
        try:
            async with self.cluster(target.name).use() as connection:
                check_applied(patch, await connection.patch(path, patch, what), what)
        except NotFound:
            raise Conflict(f"{what} has been deleted") from None

    async def find(self, fingerprint: str) -> IssuedToken | None:
        """Return the token from any target that holds it; asks first the targets that held it last."""
        held = {n for n, last in self._observer.snapshots.items() if last.secret.fingerprint == fingerprint}
        for name in sorted(self._settings, key=lambda name: name not in held):
            try:
                if found := await self._token_of(name, fingerprint):
                    return found
            except Unavailable:
                if self.cluster(name).at_home:
                    raise
        return None

    async def _token_of(self, name: str, fingerprint: str) -> IssuedToken | None:
        settings, what = self._settings[name], f"Secret {name}"
        path = paths.secret(settings.namespace, settings.secret)
        try:
            async with self.cluster(name).use() as connection:
                secret = await connection.call("GET", path, what=what)
            return read_issued_token(secret, what, settings.key, self._gateway, fingerprint)
        except (NotFound, Refused):
            return None

    async def changed(self, observation: Observation, within: timedelta) -> None:
        """Return when a workload or pod of a target whose rollout is under way differs from the observation,
        when an unreachable cluster answers again, or after within.
        """
        await self._observer.changed(observation, within)

    def reference(self, target: str, workload: str = "") -> Reference | None:
        """Return what Kubernetes Events shall point at, as of the last observation: a target's Secret,
        or one of its workloads (`kind/name`).
        """
        settings, last = self._settings.get(target), self._observer.snapshots.get(target)
        if settings is None or last is None:
            return None
        namespace, context = settings.namespace, settings.context
        if not workload:
            return Reference("Secret", "v1", namespace, settings.secret, last.secret.uid, context)
        for raw in last.workloads.raw if last.workloads else ():
            if name_of(raw) == workload:
                meta = raw["metadata"]
                return Reference(raw["kind"], "apps/v1", namespace, meta["name"], meta["uid"], context)
        return None

    def pod(self, target: str, pod: Pod) -> Json:
        """Return the pod raw, as of the last observation. Raises Conflict if it differs from pod."""
        last, settings = self._observer.snapshots.get(target), self._settings[target]
        if last and last.workloads:
            for raw in (raw for pod_list in last.workloads.pod_lists for raw in pod_list.pods):
                if pod_of(raw, settings.secret, last.secret.key) == pod:
                    return raw
        raise Conflict(f"pod {pod.name} of {target} is not as it was")

    def cluster(self, target: str) -> Cluster:
        """Return the cluster that a target is in."""
        return self._observer.cluster(target)

    def _snapshot(self, target: Target) -> TargetSnapshot:
        """Return the last snapshot of target. If target is older, the server refuses the patch."""
        if last := self._observer.snapshots.get(target.name):
            return last
        raise Conflict(f"Secret {target.name} has not been observed yet")

    def _report_leak(self, name: str) -> None:
        message = (
            "kubectl apply had left a copy of a token in the Secret's annotation last-applied-configuration. "
            "The rotator removed it. Everyone who can read the Secret's metadata may have seen the token."
        )
        _log.warning("Secret %s: %s", name, message)
        if self._events and (about := self.reference(name)):
            self._events.emit(about, "Warning", "TokenInAnnotation", message)

"""The targets of one gateway in Kubernetes: looks at them, writes tokens, rolls workloads over."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from rotator.config import TargetSettings
from rotator.core.limits import count_restart
from rotator.core.observation import Observation, Pod, Request, Target, UnobservedTarget, Workload
from rotator.core.records import Record
from rotator.core.verification import verified
from rotator.errors import Conflict, Refused, Unavailable
from rotator.kube.client import paths
from rotator.kube.client.cluster import Cluster
from rotator.kube.client.clusters import Clusters
from rotator.kube.client.responses import Json, NotFound
from rotator.kube.event_outbox import Reference
from rotator.kube.event_sink import EventSink
from rotator.kube.lease import KubeLease
from rotator.kube.lease_state import LeaseState
from rotator.kube.targets import workloads
from rotator.kube.targets.annotations import encode_record, encode_request, write_time
from rotator.kube.targets.observe import Look, look, same_secret
from rotator.kube.targets.other_secrets import token_in
from rotator.kube.targets.patch_check import check_kept
from rotator.kube.targets.pods import MARK, pod_of
from rotator.kube.targets.request_cache import Reads, first_error
from rotator.kube.targets.secret import LAST_APPLIED, note_place, write_value
from rotator.kube.targets.watch import until_changed
from rotator.kube.targets.workloads import RESTARTED_AT, RESTARTS, write_restarts
from rotator.ports import IssuedToken, TargetStore

_SETTLE = 0.05
"""Seconds in which further changes are awaited: they come in swarms."""
_BREATH = 0.2
"""Seconds at least between two returns of `changed`."""
_log = logging.getLogger("rotator.kube")


class KubeTargetStore(TargetStore):
    """Implements the port `Fleet`. A target's name is its settings' `place`.

    The home cluster holds the Lease: if it does not answer, nothing goes on. A target in another
    cluster that does not answer is Absent for now, unless no target can be looked at.
    """

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
        self._clusters = clusters
        self._gateway = gateway
        self._targets = {t.place: t for t in targets}
        self._lease = lease
        self._clock = clock
        self._events = events
        self._looks: dict[str, Look] = {}
        self._breathed = 0.0

    async def observe(self) -> Observation:
        """Return what is seen just now. Raises Unavailable; Refused if the Lease may not be read."""
        return await self._gather(closely=True)

    async def secrets(self) -> Observation:
        """As observe, but without a look at workloads and Lease."""
        return await self._gather(closely=False)

    async def _gather(self, *, closely: bool) -> Observation:
        try:
            async with asyncio.TaskGroup() as group:
                rounds: dict[str | None, Reads] = {}
                tasks = [group.create_task(self._look(t, group, rounds, closely)) for t in self._targets]
                lease = group.create_task(self._lease.read()) if closely else None
        except BaseExceptionGroup as errors:
            raise first_error(errors) from None
        results = dict(zip(self._targets, (task.result() for task in tasks), strict=True))
        looks = {name: found for name, found in results.items() if isinstance(found, Look)}
        self._looks |= looks
        away = [found for found in results.values() if isinstance(found, Unavailable)]
        if away and not looks:
            raise away[0]
        seen = [_seen(name, found) for name, found in (results | same_secret(looks)).items()]
        state = lease.result() if lease else LeaseState(None)
        return Observation(
            tuple(t for t in seen if isinstance(t, Target)),
            tuple(t for t in seen if isinstance(t, UnobservedTarget)),
            restores=state.restores,
            last_restored_at=state.last_restored_at,
            lease=state.version,
            remembered=state.condemned,
        )

    async def _look(
        self, name: str, group: asyncio.TaskGroup, rounds: dict[str | None, Reads], closely: bool
    ) -> Look | UnobservedTarget | Unavailable:
        """Look at a target. Away from home all reads together have as long as one call has."""
        settings, cluster = self._targets[name], self.cluster(name)
        try:
            async with cluster.use() as connection:
                patience = None if cluster.at_home else connection.call_timeout
                reads = rounds.setdefault(settings.context, Reads(connection, group, patience))
                return await look(reads, settings, self._gateway, self._looks.get(name), closely=closely)
        except Refused as problem:
            return UnobservedTarget(name, str(problem))
        except Unavailable as problem:
            if cluster.at_home:
                raise
            return problem

    async def write(self, target: Target, token: IssuedToken | None, record: Record) -> None:
        """Replace value and annotations in one guarded request. Raises Conflict, Refused, Unavailable."""
        contents = self._look_at(target).contents
        body: Json = {"metadata": {"annotations": dict(encode_record(record))}}
        body["metadata"]["annotations"] |= note_place(contents.key, prefixed=target.prefixed)
        if contents.leaks:
            body["metadata"]["annotations"][LAST_APPLIED] = None
        if token:
            body["data"] = {contents.key: write_value(token.value, prefixed=target.prefixed)}
        await self._patch(target, body)
        if contents.leaks:
            self._tell_leak(target.name)

    async def request(self, target: Target, request: Request) -> None:
        """Note a request. Raises as write does."""
        await self._patch(target, {"metadata": {"annotations": dict(encode_request(request))}})

    async def _patch(self, target: Target, body: Json) -> None:
        settings, what = self._targets[target.name], f"Secret {target.name}"
        body["metadata"]["resourceVersion"] = target.version
        await self._change(settings, paths.secret(settings.namespace, settings.secret), body, what)

    async def restart(self, target: Target, workload: Workload, template_token: str | None) -> None:
        """Mark the pod template and note the time. Raises as write does."""
        settings, now = self._targets[target.name], self._clock()
        notes = {RESTARTED_AT: write_time(now), RESTARTS: write_restarts(*count_restart(workload, now))}
        body: Json = {
            "metadata": {
                "resourceVersion": workload.version,
                "annotations": notes,
            },
            "spec": {"template": {"metadata": {"annotations": {MARK: template_token}}}},
        }
        path = paths.workload(settings.namespace, workload.name)
        await self._change(settings, path, body, f"{workload.name} of {target.name}")

    async def _change(self, settings: TargetSettings, path: str, body: Json, what: str) -> None:
        try:
            async with self._clusters.at(settings.context).use() as connection:
                check_kept(body, await connection.patch(path, body, what), what)
        except NotFound:
            raise Conflict(f"{what} has been deleted") from None

    async def find(self, fingerprint: str) -> IssuedToken | None:
        """Return the token from any target that holds it; those that held it last are asked first."""
        last = {n: k.contents.fingerprint == fingerprint for n, k in self._looks.items()}
        for name in sorted(self._targets, key=lambda n: not last.get(n, False)):
            settings, cluster = self._targets[name], self.cluster(name)
            try:
                if found := await token_in(cluster, settings, self._gateway, fingerprint):
                    return found
            except Unavailable:
                if cluster.at_home:
                    raise
        return None

    async def changed(self, observation: Observation, within: timedelta) -> None:
        """Return when a workload or pod of a target that is under way is no longer as seen, or when
        a cluster that was away answers again.
        """
        wanted = [
            (connection, sight)
            for t in [t for t in observation.targets if _under_way(t)] or observation.targets
            if (known := self._looks.get(t.name)) and (connection := self.cluster(t.name).connection)
            for sight in known.sights
        ]
        absent = [(self.cluster(a.name), a.transient) for a in observation.unreachable]
        away = {cluster for cluster, away in absent if away or cluster.connection is None}
        await until_changed(wanted, within.total_seconds(), [cluster.until_reachable() for cluster in away])
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(_SETTLE, self._breathed + _BREATH - loop.time()))
        self._breathed = loop.time()

    def reference(self, target: str, workload: str = "") -> Reference | None:
        """Return what Kubernetes Events shall point at, as of the last look: a target's Secret,
        or one of its workloads (`kind/name`).
        """
        settings, known = self._targets.get(target), self._looks.get(target)
        if settings is None or known is None:
            return None
        space, context = settings.namespace, settings.context
        if not workload:
            return Reference("Secret", "v1", space, settings.secret, known.contents.uid, context)
        for raw in known.found.raw if known.found else ():
            if workloads.name_of(raw) == workload:
                meta = raw["metadata"]
                return Reference(raw["kind"], "apps/v1", space, meta["name"], meta["uid"], context)
        return None

    def pod(self, target: str, pod: Pod) -> Json:
        """Return the pod raw, as of the last look. Raises Conflict if it looked otherwise by then."""
        known, settings = self._looks.get(target), self._targets[target]
        if known and known.found:
            for raw in (raw for pods in known.found.lists for raw in pods.pods):
                if pod_of(raw, settings.secret, known.contents.key) == pod:
                    return raw
        raise Conflict(f"pod {pod.name} of {target} is not as it was")

    def cluster(self, target: str) -> Cluster:
        """Return the cluster that a target is in."""
        return self._clusters.at(self._targets[target].context)

    def _look_at(self, target: Target) -> Look:
        """Return what was seen of target. Where that is newer than target, the server tells."""
        if known := self._looks.get(target.name):
            return known
        raise Conflict(f"Secret {target.name} has not been looked at yet")

    def _tell_leak(self, name: str) -> None:
        said = (
            "kubectl apply had left a copy of a token in the Secret's annotation last-applied-configuration: "
            "removed. Whoever could read the Secret's metadata may have seen it."
        )
        _log.warning("Secret %s: %s", name, said)
        if self._events and (about := self.reference(name)):
            self._events.emit(about, "Warning", "TokenInAnnotation", said)


def _seen(name: str, found: Look | UnobservedTarget | Unavailable) -> Target | UnobservedTarget:
    if isinstance(found, Unavailable):
        return UnobservedTarget(name, str(found), transient=True)
    return found.target if isinstance(found, Look) else found


def _under_way(target: Target) -> bool:
    return target.record is not None and not verified(target)

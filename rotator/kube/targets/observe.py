"""Observes the targets of one gateway, in all clusters at once, and waits until they differ."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta

from rotator.config import TargetSettings
from rotator.core.observation import Observation, Target, UnobservedTarget
from rotator.core.verification import verified
from rotator.errors import Refused, Unavailable
from rotator.kube.client.cluster import Cluster
from rotator.kube.client.clusters import Clusters
from rotator.kube.lease import KubeLease
from rotator.kube.lease_state import LeaseState
from rotator.kube.targets.request_cache import RequestCache, first_error
from rotator.kube.targets.snapshot import TargetSnapshot, duplicate_targets, take_snapshot
from rotator.kube.targets.watch import until_changed

_SETTLE_TIME = 0.05
"""Seconds for which `changed` waits for further changes: they come in swarms."""
_MIN_CHANGE_INTERVAL = 0.2
"""Seconds at least between two returns of `changed`."""


class TargetObserver:
    """Observes, and keeps the last snapshot of each target.

    Without an answer of the home cluster, which holds the Lease, nothing is observed. A target in another
    cluster that does not answer is an UnobservedTarget, unless no target can be observed at all.
    """

    def __init__(
        self, clusters: Clusters, gateway: str, settings: Mapping[str, TargetSettings], lease: KubeLease
    ) -> None:
        """gateway: the last segment of its ARM id. settings: by target name."""
        self._clusters = clusters
        self._gateway = gateway
        self._settings = settings
        self._lease = lease
        self._changed_at = 0.0
        self.snapshots: dict[str, TargetSnapshot] = {}

    def cluster(self, target: str) -> Cluster:
        """Return the cluster that a target is in."""
        return self._clusters.at(self._settings[target].context)

    async def observe(self, *, with_workloads: bool) -> Observation:
        """Return the targets as they are now; with_workloads: with workloads, pods and the Lease.

        Raises Unavailable; Refused: the Lease may not be read.
        """
        try:
            async with asyncio.TaskGroup() as group:
                caches: dict[str | None, RequestCache] = {}
                taking = {
                    name: group.create_task(self._take_snapshot(name, group, caches, with_workloads))
                    for name in self._settings
                }
                lease = group.create_task(self._lease.read()) if with_workloads else None
        except BaseExceptionGroup as errors:
            raise first_error(errors) from None
        results = {name: task.result() for name, task in taking.items()}
        snapshots = {name: found for name, found in results.items() if isinstance(found, TargetSnapshot)}
        self.snapshots |= snapshots
        unavailable = [found for found in results.values() if isinstance(found, Unavailable)]
        if unavailable and not snapshots:
            raise unavailable[0]
        found = [_target(name, result) for name, result in (results | duplicate_targets(snapshots)).items()]
        state = lease.result() if lease else LeaseState(None)
        return Observation(
            tuple(target for target in found if isinstance(target, Target)),
            tuple(target for target in found if isinstance(target, UnobservedTarget)),
            restores=state.restores,
            last_restored_at=state.last_restored_at,
            lease=state.version,
            remembered=state.condemned,
        )

    async def _take_snapshot(
        self,
        name: str,
        group: asyncio.TaskGroup,
        caches: dict[str | None, RequestCache],
        with_workloads: bool,
    ) -> TargetSnapshot | UnobservedTarget | Unavailable:
        """Outside of the home cluster, all requests to a cluster together have the time of one call."""
        settings, cluster = self._settings[name], self.cluster(name)
        try:
            async with cluster.use() as connection:
                time_limit = None if cluster.at_home else connection.call_timeout
                requests = caches.setdefault(settings.context, RequestCache(connection, group, time_limit))
                last = self.snapshots.get(name)
                return await take_snapshot(
                    requests, settings, self._gateway, last, with_workloads=with_workloads
                )
        except Refused as error:
            return UnobservedTarget(name, str(error))
        except Unavailable as error:
            if cluster.at_home:
                raise
            return error

    async def changed(self, observation: Observation, within: timedelta) -> None:
        """Return when a workload or pod of a target whose rollout is under way differs from the observation,
        or when an unreachable cluster answers again.
        """
        cursors = [
            (connection, cursor)
            for target in [target for target in observation.targets if _under_way(target)]
            or observation.targets
            if (last := self.snapshots.get(target.name))
            and (connection := self.cluster(target.name).connection)
            for cursor in last.watch_cursors
        ]
        unobserved = [(self.cluster(target.name), target.transient) for target in observation.unreachable]
        unreachable = {cluster for cluster, transient in unobserved if transient or not cluster.connection}
        recoveries = [cluster.until_reachable() for cluster in unreachable]
        await until_changed(cursors, within.total_seconds(), recoveries)
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(_SETTLE_TIME, self._changed_at + _MIN_CHANGE_INTERVAL - loop.time()))
        self._changed_at = loop.time()


def _target(name: str, found: TargetSnapshot | UnobservedTarget | Unavailable) -> Target | UnobservedTarget:
    if isinstance(found, Unavailable):
        return UnobservedTarget(name, str(found), transient=True)
    return found.target if isinstance(found, TargetSnapshot) else found


def _under_way(target: Target) -> bool:
    return target.record is not None and not verified(target)

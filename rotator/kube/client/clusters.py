"""The clusters that targets are in: the home cluster, which holds the Leases, and others by context."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from rotator.config import KubernetesSettings
from rotator.errors import Refused, Unavailable
from rotator.kube.client.cluster import LONGEST, REST, Cluster
from rotator.kube.client.connection import PATIENCE, Connection
from rotator.kube.client.credentials import SERVICE_ACCOUNT, NoSuchContext, context_of


class Clusters:
    """One connection per context. An async context manager, which closes them all."""

    def __init__(self, home: Cluster, others: Iterable[Cluster] = ()) -> None:
        """Home and others are open already: see `connect`."""
        self._home = home
        self._others = {cluster.context: cluster for cluster in others}

    @classmethod
    async def connect(
        cls,
        settings: KubernetesSettings,
        contexts: Iterable[str | None],
        user_agent: str,
        *,
        environ: Mapping[str, str] = os.environ,
        service_account: Path = SERVICE_ACCOUNT,
        patience: float = PATIENCE,
        rest: float = REST,
        longest: float = LONGEST,
    ) -> Clusters:
        """Read the credentials of the home cluster (settings.context) and of the contexts that targets
        name; nothing is sent yet. rest, longest: as for Cluster.

        Raises:
            Refused: the home cluster's credentials cannot be used, or contexts do not exist.
            Unavailable: a file of the home cluster's is not there (yet).
        """

        def cluster(context: str | None) -> Cluster:
            of = settings if context is None else settings.model_copy(update={"context": context})
            connect = partial(
                Connection.connect,
                of,
                user_agent,
                environ=environ,
                service_account=service_account,
                patience=patience,
            )
            return Cluster(context, connect, rest=rest, longest=longest)

        own = context_of(settings, environ)  # a target may name it: that is no other cluster
        clusters = cls(cluster(None), (cluster(c) for c in dict.fromkeys(contexts) if c not in {None, own}))
        if own is not None:
            clusters._others[own] = clusters._home
        try:
            await clusters._open()
        except BaseException:
            await clusters.close()
            raise
        return clusters

    @classmethod
    def of(cls, home: Connection) -> Clusters:
        """Return a world of one cluster, which is connected already."""
        return cls(Cluster(None, connection=home))

    @property
    def home(self) -> Connection:
        """The cluster that holds the Leases."""
        if self._home.connection is None:
            raise Unavailable("the connection to the home cluster is closed")
        return self._home.connection

    def at(self, context: str | None) -> Cluster:
        """Return the cluster of a target's context."""
        return self._home if context is None else self._others[context]

    async def close(self) -> None:
        for cluster in {self._home, *self._others.values()}:
            await cluster.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _open(self) -> None:
        await self._home.open()
        others = [c for c in self._others.values() if c is not self._home]
        opened = await asyncio.gather(*(c.open() for c in others), return_exceptions=True)
        wrong = [problem for problem in opened if isinstance(problem, NoSuchContext)]
        if wrong:
            said = "; ".join(str(problem).removesuffix(f". {problem.remedy}") for problem in wrong)
            raise Refused(said, wrong[0].remedy)
        for problem in opened:
            if problem is not None:
                raise problem

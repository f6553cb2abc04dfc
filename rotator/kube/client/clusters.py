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
from rotator.kube.client.circuit_breaker import MAX_BACKOFF, MIN_BACKOFF
from rotator.kube.client.cluster import Cluster
from rotator.kube.client.connection import CALL_TIMEOUT, Connection
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
        call_timeout: float = CALL_TIMEOUT,
        min_backoff: float = MIN_BACKOFF,
        max_backoff: float = MAX_BACKOFF,
    ) -> Clusters:
        """Read the credentials of the home cluster (settings.context) and of the contexts that targets
        name. Sends nothing yet. call_timeout: as for Connection; back-offs: as for CircuitBreaker.

        Raises:
            Refused: the home cluster's credentials cannot be used, or contexts do not exist.
            Unavailable: a credential file of the home cluster does not exist (yet).
        """

        def cluster(context: str | None) -> Cluster:
            chosen = settings if context is None else settings.model_copy(update={"context": context})
            connect = partial(
                Connection.connect,
                chosen,
                user_agent,
                environ=environ,
                service_account=service_account,
                call_timeout=call_timeout,
            )
            return Cluster(context, connect, min_backoff=min_backoff, max_backoff=max_backoff)

        home_context = context_of(settings, environ)  # a target may name it, too
        others = dict.fromkeys(context for context in contexts if context not in {None, home_context})
        clusters = cls(cluster(None), map(cluster, others))
        if home_context is not None:
            clusters._others[home_context] = clusters._home
        try:
            await clusters._open()
        except BaseException:
            await clusters.close()
            raise
        return clusters

    @classmethod
    def of(cls, home: Connection) -> Clusters:
        """Return a home cluster that is connected already, and no other."""
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
        others = [cluster for cluster in self._others.values() if cluster is not self._home]
        results = await asyncio.gather(*(cluster.open() for cluster in others), return_exceptions=True)
        unknown = [error for error in results if isinstance(error, NoSuchContext)]
        if unknown:
            messages = "; ".join(error.message for error in unknown)
            raise Refused(messages, unknown[0].remedy)
        for error in results:
            if error is not None:
                raise error

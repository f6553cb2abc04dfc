"""Shows once, at the start, that the clusters answer and know this process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress

from rotator.config import TargetSettings
from rotator.errors import Refused, Unavailable
from rotator.kube.client import paths
from rotator.kube.client.clusters import Clusters
from rotator.kube.client.connection import Connection
from rotator.kube.client.responses import NotFound


async def prove(connection: Connection, namespace: str, secret: str) -> None:
    """Read one Secret and throw it away; a Secret that does not exist is proof as well.

    Raises:
        Refused: this process may not read it; says what to grant.
        Unavailable: the API server cannot be reached, or does not accept the credentials.
    """
    with suppress(NotFound):
        await connection.call("GET", paths.secret(namespace, secret), what=f"Secret {namespace}/{secret}")


async def unproven(clusters: Clusters, targets: Iterable[TargetSettings]) -> dict[str, str]:
    """Prove each context but home with one target of it; return by context what is wrong. Never raises:
    one cluster that is away delays only what depends on it.
    """
    first: dict[str, TargetSettings] = {}
    for target in targets:
        if target.context is not None:
            first.setdefault(target.context, target)
    told = await asyncio.gather(*(_trouble(clusters, target) for target in first.values()))
    return {context: trouble for context, trouble in zip(first, told, strict=True) if trouble}


async def _trouble(clusters: Clusters, target: TargetSettings) -> str:
    path = paths.secret(target.namespace, target.secret)
    try:
        async with clusters.at(target.context).use() as connection:
            with suppress(NotFound):
                await connection.call("GET", path, what=f"Secret {target.place}")
    except (Refused, Unavailable) as problem:
        return str(problem)
    return ""

"""Shows once, at the start, that the cluster answers and knows this process."""

from __future__ import annotations

from contextlib import suppress

from rotator.kube import paths
from rotator.kube.answers import NotFound
from rotator.kube.connection import Connection


async def prove(connection: Connection, namespace: str, secret: str) -> None:
    """Read one Secret and throw it away; a Secret that does not exist is proof as well.

    Raises:
        Refused: this process may not read it; says what to grant.
        Unavailable: the API server cannot be reached, or does not accept the credentials.
    """
    with suppress(NotFound):
        await connection.call("GET", paths.secret(namespace, secret), what=f"Secret {namespace}/{secret}")

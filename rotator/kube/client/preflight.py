"""Checks at the start that the home cluster answers and accepts this process's credentials."""

from __future__ import annotations

from contextlib import suppress

from rotator.kube.client import paths
from rotator.kube.client.connection import Connection
from rotator.kube.client.responses import NotFound


async def check_access(connection: Connection, namespace: str, secret: str) -> None:
    """Read one Secret and drop it. A Secret that does not exist shows as much.

    Raises:
        Refused: this process may not read it; the remedy names the rule to grant.
        Unavailable: the API server cannot be reached, or rejects the credentials.
    """
    with suppress(NotFound):
        await connection.call("GET", paths.secret(namespace, secret), what=f"Secret {namespace}/{secret}")

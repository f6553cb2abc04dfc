"""Takes a token with its value out of a Secret that holds it."""

from __future__ import annotations

from rotator.config import TargetSettings
from rotator.core.records import Key, Record
from rotator.errors import Refused
from rotator.kube.client import paths
from rotator.kube.client.cluster import Cluster
from rotator.kube.client.responses import NotFound
from rotator.kube.targets.secret import read_contents, read_token
from rotator.ports import IssuedToken


async def token_in(
    cluster: Cluster, settings: TargetSettings, gateway: str, fingerprint: str
) -> IssuedToken | None:
    """Return the token if the target's Secret holds it; its key is as recorded, primary where nobody
    could tell. Raises Unavailable.
    """
    path, what = paths.secret(settings.namespace, settings.secret), f"Secret {settings.place}"
    try:
        async with cluster.use() as connection:
            secret = await connection.call("GET", path, what=what)
        contents = read_contents(secret, what, settings.key, gateway)
    except (NotFound, Refused):
        return None
    token = read_token(secret, contents.key)
    if token is None or token.fingerprint != fingerprint:
        return None
    return IssuedToken(token.value, _key(contents.record, fingerprint), fingerprint, token.expires_at)


def _key(record: Record | None, fingerprint: str) -> Key:
    tokens = [record.decision.token] if record else []
    tokens += [record.previous.token] if record and record.previous else []
    return next((t.key for t in tokens if t.fingerprint == fingerprint and t.key), Key.PRIMARY)

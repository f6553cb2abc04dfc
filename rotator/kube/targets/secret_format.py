"""Under which key of a Secret the token is, and which containers of a pod template read it."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator, Mapping

from rotator.core.access_token import MalformedTokenError, parse_token
from rotator.errors import Refused
from rotator.kube.client.responses import Json

KNOWN_KEYS = ("config.service.auth.key", "value", "gateway-key")
"""Keys of the how-to of 2026, the portal's YAML, the official Helm chart (source: their manifests)."""


def find_key(data: Mapping[str, str], where: str) -> str:
    """Return the key of data (base64) under which the gateway's token is, or will be.

    Raises:
        Refused: no key, or several, may be meant.
    """
    known = [key for key in KNOWN_KEYS if key in data]
    holding = [key for key in known or sorted(data) if holds_token(data[key])]
    if known:
        return (holding or known)[0]
    if len(holding) == 1:
        return holding[0]
    keys = ", ".join(sorted(data)) or "none"
    raise Refused(
        f"{where} has an unknown format (its keys: {keys})",
        'Name the key that holds the token: set key = "..." for this target.',
    )


def holds_token(encoded: str) -> bool:
    """Whether a value of a Secret's data is a gateway access token."""
    try:
        parse_token(b64decode(encoded).decode())
    except (MalformedTokenError, ValueError):
        return False
    return True


def readers(pod_spec: Json, secret: str, key: str) -> frozenset[str]:
    """Return the containers, init containers included, that read key of secret.

    Through the environment (single keys or all of them), or through a mounted volume.
    """
    volumes = {v["name"] for v in pod_spec.get("volumes") or [] if _volume_reads(v, secret, key)}
    containers = [*(pod_spec.get("initContainers") or []), *(pod_spec.get("containers") or [])]
    return frozenset(
        c["name"]
        for c in containers
        if _environment_reads(c, secret, key)
        or any(mount.get("name") in volumes for mount in c.get("volumeMounts") or [])
    )


def _environment_reads(container: Json, secret: str, key: str) -> bool:
    for variable in container.get("env") or []:
        ref = (variable.get("valueFrom") or {}).get("secretKeyRef") or {}
        if ref.get("name") == secret and ref.get("key") == key:
            return True
    return any(
        (source.get("secretRef") or {}).get("name") == secret for source in container.get("envFrom") or []
    )


def _volume_reads(volume: Json, secret: str, key: str) -> bool:
    return any(
        name == secret and (not items or any(item.get("key") == key for item in items))
        for name, items in _secrets_of(volume)
    )


def _secrets_of(volume: Json) -> Iterator[tuple[str, list[Json]]]:
    if own := volume.get("secret"):
        yield own.get("secretName", ""), own.get("items") or []
    for source in (volume.get("projected") or {}).get("sources") or []:
        if shared := source.get("secret"):
            yield shared.get("name", ""), shared.get("items") or []

"""Resolves a container's environment variables at its start, as a kubelet does."""

from __future__ import annotations

import base64
from collections.abc import Iterator

from sandbox.cluster.objects import name_of, namespace_of
from sandbox.cluster.store import Store
from sandbox.common import Json

_PLURALS = {"secret": "secrets", "configmap": "configmaps"}
_KINDS = {"secret": "Secret", "configmap": "ConfigMap"}


class ConfigError(Exception):
    """The container cannot start yet: a Secret, a ConfigMap or a key is missing. The kubelet retries."""


def resolve(store: Store, pod: Json) -> dict[str, str]:
    """Return the environment of the pod's first container. Later entries win; `env` overrides `envFrom`.

    Raises:
        ConfigError: a required Secret, ConfigMap or key is missing; the text is the kubelet's.
    """
    container, namespace = pod["spec"]["containers"][0], namespace_of(pod)
    result: dict[str, str] = {}
    for source in container.get("envFrom") or []:
        result |= _from_source(store, namespace, source)
    for entry in container.get("env") or []:
        origin = entry.get("valueFrom")
        if origin is None:
            result[entry["name"]] = entry.get("value", "")
        elif (value := _from_key(store, namespace, origin, pod)) is not None:
            result[entry["name"]] = value
    return result


def missing_volume(store: Store, pod: Json) -> str | None:
    """Return why the pod's volumes cannot be mounted, or None."""
    namespace = namespace_of(pod)
    for kind, name, optional in _volume_sources(pod):
        if not optional and store.get((_PLURALS[kind], namespace, name)) is None:
            return f'{kind} "{name}" not found'
    return None


def _volume_sources(pod: Json) -> Iterator[tuple[str, str, bool]]:
    for volume in pod["spec"].get("volumes") or []:
        for source in (volume, *((volume.get("projected") or {}).get("sources") or [])):
            for kind, field in (("secret", "secret"), ("configmap", "configMap")):
                if found := source.get(field):
                    name = found.get("secretName") or found.get("name")
                    yield kind, name, bool(found.get("optional"))


def _data(store: Store, namespace: str, kind: str, reference: Json) -> dict[str, str] | None:
    obj = store.get((_PLURALS[kind], namespace, reference["name"]))
    if obj is None:
        return None
    data: dict[str, str] = obj.get("data") or {}
    if kind == "configmap":
        return data
    return {key: base64.b64decode(value).decode("utf-8", "surrogateescape") for key, value in data.items()}


def _from_source(store: Store, namespace: str, source: Json) -> dict[str, str]:
    prefix = source.get("prefix", "")
    for kind, field in (("secret", "secretRef"), ("configmap", "configMapRef")):
        if reference := source.get(field):
            data = _data(store, namespace, kind, reference)
            if data is None and not reference.get("optional"):
                raise ConfigError(f'{kind} "{reference["name"]}" not found')
            return {prefix + key: value for key, value in (data or {}).items()}
    return {}


def _from_key(store: Store, namespace: str, origin: Json, pod: Json) -> str | None:
    for kind, field in (("secret", "secretKeyRef"), ("configmap", "configMapKeyRef")):
        if reference := origin.get(field):
            data = _data(store, namespace, kind, reference)
            if data is None and not reference.get("optional"):
                raise ConfigError(f'{kind} "{reference["name"]}" not found')
            if reference["key"] not in (data or {}) and not reference.get("optional"):
                place = f"{_KINDS[kind]} {namespace}/{reference['name']}"
                raise ConfigError(f"couldn't find key {reference['key']} in {place}")
            return (data or {}).get(reference["key"])
    path = str((origin.get("fieldRef") or {}).get("fieldPath"))
    known = {
        "metadata.name": name_of(pod),
        "metadata.namespace": namespace,
        "metadata.uid": pod["metadata"]["uid"],
    }
    return known.get(path)

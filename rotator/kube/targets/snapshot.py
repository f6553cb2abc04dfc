"""A snapshot of one target: its Secret, the workloads that read it, and their pods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from rotator.config import TargetSettings
from rotator.core.observation import Target, UnobservedTarget
from rotator.errors import Refused
from rotator.kube.client import paths
from rotator.kube.client.responses import Json, NotFound
from rotator.kube.targets.discovery import TargetWorkloads, find_workloads, request_workloads
from rotator.kube.targets.field_managers import last_writer
from rotator.kube.targets.request_cache import RequestCache
from rotator.kube.targets.secret import SecretState, read_secret
from rotator.kube.targets.watch import WatchCursor, watch_cursors


@dataclass(frozen=True, slots=True)
class TargetSnapshot:
    """What the store remembers of a target between two observations. Never a value.

    workloads None: they have not been observed yet.
    """

    target: Target
    secret: SecretState
    workloads: TargetWorkloads | None
    watch_cursors: tuple[WatchCursor, ...]


async def take_snapshot(
    requests: RequestCache,
    settings: TargetSettings,
    gateway: str,
    last: TargetSnapshot | None,
    *,
    with_workloads: bool,
) -> TargetSnapshot | UnobservedTarget:
    """Return the target as it is now; without workloads, those of the last snapshot are kept for watching.

    Raises Unavailable.
    """
    what = f"Secret {settings.place}"
    try:
        if with_workloads:
            request_workloads(requests, settings)
        raw = await requests.get(paths.secret(settings.namespace, settings.secret), what)
        secret = read_secret(raw, what, settings.key, gateway)
        workloads = await find_workloads(requests, settings, secret.key) if with_workloads else None
    except NotFound:
        return UnobservedTarget(settings.place, _missing(settings, what))
    except Refused as error:
        return UnobservedTarget(settings.place, str(error))
    target = _target(settings.place, secret, workloads, raw["metadata"])
    if workloads:
        cursors = tuple(watch_cursors(workloads, settings.namespace, settings.secret, secret.key))
        return TargetSnapshot(target, secret, workloads, cursors)
    return TargetSnapshot(
        target, secret, last.workloads if last else None, last.watch_cursors if last else ()
    )


def _missing(settings: TargetSettings, what: str) -> str:
    context = f"--context {settings.context} " if settings.context else ""
    create = f"kubectl {context}-n {settings.namespace} create secret generic {settings.secret}"
    key = "" if settings.key else " (and set key for this target to the one that shall hold the token)"
    return f"{what} does not exist. Correct the target, or create it empty{key}: {create}"


def _target(name: str, secret: SecretState, workloads: TargetWorkloads | None, meta: Json) -> Target:
    target = Target(
        name=name,
        fingerprint=secret.fingerprint,
        expires_at=secret.expires_at,
        record=secret.record,
        workloads=workloads.workloads if workloads else (),
        request=secret.request,
        version=secret.version,
        misconfiguration=workloads.misconfiguration if workloads else "",
        prefixed=secret.prefixed,
    )
    return replace(target, writer=last_writer(meta, ("data", secret.key))) if target.drifted else target


def duplicate_targets(snapshots: Mapping[str, TargetSnapshot]) -> dict[str, UnobservedTarget]:
    """Return the targets whose Secret is another target's, too: one cluster by two contexts."""
    first: dict[str, str] = {}
    duplicates = {}
    for name, snapshot in snapshots.items():
        other = first.setdefault(snapshot.secret.uid or name, name)
        if other != name:
            why = f"Secret {name} is the same as that of target {other}: two contexts lead to one cluster"
            duplicates[name] = UnobservedTarget(name, f"{why}. Remove one of the two targets")
    return duplicates

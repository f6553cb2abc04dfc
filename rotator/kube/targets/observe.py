"""Looks at one target: its Secret, the workloads that read it, and their pods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from rotator.config import TargetSettings
from rotator.core.observation import Target, UnobservedTarget
from rotator.errors import Refused
from rotator.kube.client import paths
from rotator.kube.client.responses import Json, NotFound
from rotator.kube.targets import workloads
from rotator.kube.targets.field_managers import writer
from rotator.kube.targets.request_cache import Reads
from rotator.kube.targets.secret import Contents, read_contents
from rotator.kube.targets.watch import Sight, sights
from rotator.kube.targets.workloads import Found


@dataclass(frozen=True, slots=True)
class Look:
    """What is kept of a look at a target until the next one. Never a value.

    found None: its workloads have not been looked at yet.
    """

    target: Target
    contents: Contents
    found: Found | None
    sights: tuple[Sight, ...]


async def look(
    reads: Reads, settings: TargetSettings, gateway: str, before: Look | None, *, closely: bool
) -> Look | UnobservedTarget:
    """Return what is seen of a target; closely: with workloads and pods, else those of before are kept.

    Raises Unavailable.
    """
    name, what = settings.place, f"Secret {settings.place}"
    try:
        if closely:
            workloads.begin(reads, settings)
        secret = await reads.get(paths.secret(settings.namespace, settings.secret), what)
        contents = read_contents(secret, what, settings.key, gateway)
        found = await workloads.find(reads, settings, contents.key) if closely else None
    except NotFound:
        where = f"--context {settings.context} " if settings.context else ""
        create = f"kubectl {where}-n {settings.namespace} create secret generic {settings.secret}"
        named = "" if settings.key else " (and write in the target which key shall hold the token)"
        return UnobservedTarget(
            name, f"{what} does not exist. Correct the target, or create it empty{named}: {create}"
        )
    except Refused as problem:
        return UnobservedTarget(name, str(problem))
    target = _target(name, contents, found, secret["metadata"])
    if found:
        watched = tuple(sights(found, settings.namespace, settings.secret, contents.key))
        return Look(target, contents, found, watched)
    return Look(target, contents, before.found if before else None, before.sights if before else ())


def _target(name: str, contents: Contents, found: Found | None, meta: Json) -> Target:
    target = Target(
        name=name,
        fingerprint=contents.fingerprint,
        expires_at=contents.expires_at,
        record=contents.record,
        workloads=found.workloads if found else (),
        request=contents.request,
        version=contents.version,
        misconfiguration=found.misconfiguration if found else "",
        prefixed=contents.prefixed,
    )
    return replace(target, writer=writer(meta, ("data", contents.key))) if target.drifted else target


def same_secret(looks: Mapping[str, Look]) -> dict[str, UnobservedTarget]:
    """Return the targets whose Secret is another target's, too: one cluster by two contexts."""
    first: dict[str, str] = {}
    doubles = {}
    for name, seen in looks.items():
        other = first.setdefault(seen.contents.uid or name, name)
        if other != name:
            why = f"Secret {name} is the very one that target {other} names: two contexts lead to one cluster"
            doubles[name] = UnobservedTarget(name, f"{why}. Remove one of the two targets")
    return doubles

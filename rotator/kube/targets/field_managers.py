"""Who wrote a field, as far as metadata.managedFields tells.

Source: Kubernetes, "Server-Side Apply", field management: who changes a value owns the field, with the
time of its last write; other owners lose it, unless they applied the same value.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from rotator.kube.client.connection import FIELD_MANAGER
from rotator.kube.client.responses import Json
from rotator.kube.targets.annotations import read_time
from rotator.redaction import redact_quoted


def last_writer(meta: Json, fields: Sequence[str], since: datetime | None = None) -> str:
    """Return who wrote the field at this path last, such as `helm (Update, 2026-01-01T00:00:00Z)`.

    Empty if the rotator wrote it, if managedFields name no manager, or if the write was not after since
    (its times have whole seconds).
    """
    owners = [entry for entry in meta.get("managedFields") or [] if _owns(entry, fields)]
    owners.sort(key=_time)
    others = [entry for entry in owners if entry.get("manager") != FIELD_MANAGER]
    if not others:
        return ""
    last = others[-1]
    if since is not None and _time(last) <= since.replace(microsecond=0):
        return ""
    return redact_quoted(
        f"{last.get('manager') or 'unknown manager'} ({last.get('operation')}, {last.get('time')})"
    )


def _owns(entry: Json, fields: Sequence[str]) -> bool:
    owned = entry.get("fieldsV1") or {}
    for field in fields:
        owned = owned.get(f"f:{field}")
        if not isinstance(owned, dict):
            return False
    return not entry.get("subresource")


def _time(entry: Json) -> datetime:
    try:
        return read_time(entry.get("time") or "")
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)

"""Works out each gateway's policy: its own words over `[defaults]` over the built-in values."""

from __future__ import annotations

from rotator.config.schema.gateways import PolicyTable
from rotator.config.types.windows import Calendar
from rotator.core.policy import Policy
from rotator.core.records import Revocation

_BUILT_IN = Policy()


def overlay(defaults: PolicyTable, own: PolicyTable) -> PolicyTable:
    """Return what is written in own, and where it says nothing in defaults."""
    words = {
        name: getattr(own, name) if getattr(own, name) is not None else getattr(defaults, name)
        for name in PolicyTable.model_fields
    }
    return PolicyTable.model_construct(**words)


def to_policy(table: PolicyTable) -> Policy:
    """Return the policy of a table whose times fit together (see times.py)."""
    return Policy(
        lifetime=table.token_lifetime or _BUILT_IN.lifetime,
        renew_before=table.renew_before or _BUILT_IN.renew_before,
        panic_before=table.panic_before or _BUILT_IN.panic_before,
        rollout_timeout=table.rollout_timeout or _BUILT_IN.rollout_timeout,
        recheck=table.recheck or _BUILT_IN.recheck,
        look_every=table.look_every or _BUILT_IN.look_every,
        max_unavailable_targets=table.max_unavailable_targets or _BUILT_IN.max_unavailable_targets,
        max_restarts_per_hour=table.max_restarts_per_hour or _BUILT_IN.max_restarts_per_hour,
        revoke=Revocation(table.revoke or _BUILT_IN.revoke),
        revoke_after=table.revoke_after or _BUILT_IN.revoke_after,
        roll_back=_BUILT_IN.roll_back if table.roll_back is None else table.roll_back,
        replace_pods=_BUILT_IN.replace_pods if table.replace_pods is None else table.replace_pods,
    )


def to_calendar(table: PolicyTable) -> Calendar:
    """Return when restarts that can wait are welcome; without a word about it, always."""
    return Calendar(table.windows or (), table.freeze or False)

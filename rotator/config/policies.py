"""Works out each gateway's policy: its own words over `[defaults]` over the built-in values."""

from __future__ import annotations

from datetime import timedelta

from rotator.config.gateways import PolicyTable
from rotator.config.mistakes import Mistake, Path
from rotator.config.windows import Calendar
from rotator.core.policy import Policy
from rotator.core.words import Revocation

_BUILT_IN = Policy()
_SHORTEST_INTERVAL = timedelta(minutes=5)
TIMES = ("token_lifetime", "renew_before", "panic_before", "revoke", "revoke_after")
"""The keys whose values have to fit together."""


def overlay(defaults: PolicyTable, own: PolicyTable) -> PolicyTable:
    """Return what is written in own, and where it says nothing in defaults."""
    words = {
        name: getattr(own, name) if getattr(own, name) is not None else getattr(defaults, name)
        for name in PolicyTable.model_fields
    }
    return PolicyTable.model_construct(**words)


def to_policy(table: PolicyTable) -> Policy:
    """Return the policy of a table whose times fit together (see check_times)."""
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


def check_times(path: Path, written: PolicyTable, merged: PolicyTable) -> list[Mistake]:
    """Return what does not fit together in merged, if one of the lines in written is part of it."""
    lifetime = merged.token_lifetime or _BUILT_IN.lifetime
    renew = merged.renew_before or _BUILT_IN.renew_before
    panic = merged.panic_before or _BUILT_IN.panic_before
    after = merged.revoke_after or timedelta()
    if Revocation(merged.revoke or _BUILT_IN.revoke) is Revocation.AFTER_VERIFY:
        after = merged.revoke_after or _BUILT_IN.revoke_after
    if renew > lifetime - _SHORTEST_INTERVAL:
        names: tuple[str, ...] = ("renew_before", "token_lifetime")
        text = (
            f"renew_before ({renew}) must be at least 5 minutes shorter than token_lifetime ({lifetime}), or "
            "tokens are replaced without end. Write a shorter renew_before, about a third of token_lifetime"
        )
    elif panic >= renew:
        names = ("panic_before", "renew_before")
        text = (
            f"panic_before ({panic}) must be shorter than renew_before ({renew}). "
            "Write a shorter panic_before, about a fifth of renew_before"
        )
    elif after >= lifetime - renew:
        names = ("revoke_after", "revoke", "renew_before", "token_lifetime")
        text = (
            f"revoke_after ({after}) must be shorter than token_lifetime - renew_before "
            f"({lifetime - renew}), or the next token comes first. "
            'Write a shorter revoke_after, such as "1d"'
        )
    else:
        return []
    own = [name for name in names if getattr(written, name) is not None]
    return [Mistake((*path, own[0]), text)] if own else []

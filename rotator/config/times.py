"""How the times of a policy have to fit together, and what to write where they do not."""

from __future__ import annotations

from datetime import timedelta

from rotator.config.errors import Mistake, Path
from rotator.config.schema.gateways import PolicyTable
from rotator.core.policy import Policy
from rotator.core.records import Revocation
from rotator.durations import exact, rounded

TIMES = ("token_lifetime", "renew_before", "panic_before", "revoke", "revoke_after")
"""The keys whose values have to fit together."""
_BUILT_IN = Policy()
_SHORTEST_INTERVAL = timedelta(minutes=5)
"""Between a token and the next; shorter, and tokens are replaced without end."""


def check_times(path: Path, own: PolicyTable, merged: PolicyTable) -> list[Mistake]:
    """Return what does not fit together in merged, if one of the lines in own is part of it."""
    times = _Times(merged)
    found = times.renewal() or times.panic() or times.revocation()
    return next(([Mistake((*path, key), text)] for key, text in found.items() if _says(own, key)), [])


def check_jitter(jitter: timedelta, merged: list[PolicyTable]) -> list[Mistake]:
    """Return whether renewals may be put off for so long that they are in a panic when they begin."""
    rooms = [times.renew - times.panic_before for times in map(_Times, merged)]
    if not rooms or jitter < (room := min(rooms)):
        return []
    text = (
        f"must be shorter than renew_before - panic_before ({exact(room)}): it is {exact(jitter)}, and "
        f'renewals would begin too late. Write schedule_jitter = "{rounded(room / 2)}" under [rotation]'
    )
    return [Mistake(("rotation", "schedule_jitter"), text)]


def _says(own: PolicyTable, key: str) -> bool:
    return getattr(own, key) is not None


class _Times:
    """The times of one policy, as they are in force. Its methods return what is wrong, by the line that could
    mend it, the likeliest first; nothing if all is well.
    """

    def __init__(self, merged: PolicyTable) -> None:
        self.lifetime = merged.token_lifetime or _BUILT_IN.lifetime
        self.renew = merged.renew_before or _BUILT_IN.renew_before
        self.panic_before = merged.panic_before or _BUILT_IN.panic_before
        revokes = Revocation(merged.revoke or _BUILT_IN.revoke) is Revocation.AFTER_VERIFY
        self.after = merged.revoke_after or (_BUILT_IN.revoke_after if revokes else timedelta())

    def renewal(self) -> dict[str, str]:
        if self.renew <= self.lifetime - _SHORTEST_INTERVAL:
            return {}
        least, life, renew = "5m or more", exact(self.lifetime), exact(self.renew)
        so = f'and tokens would be replaced without end. Write renew_before = "{rounded(self.lifetime / 3)}"'
        return {
            "renew_before": f"must be {least} shorter than token_lifetime ({life}): it is {renew}, {so}",
            "token_lifetime": f"must be {least} longer than renew_before ({renew}): it is {life}, {so}",
        }

    def panic(self) -> dict[str, str]:
        if self.panic_before < self.renew:
            return {}
        renew, panic = exact(self.renew), exact(self.panic_before)
        so = f'Write panic_before = "{rounded(self.renew / 5)}"'
        return {
            "panic_before": f"must be shorter than renew_before ({renew}): it is {panic}. {so}",
            "renew_before": f"must be longer than panic_before ({panic}): it is {renew}. {so}",
        }

    def revocation(self) -> dict[str, str]:
        room = self.lifetime - self.renew
        if self.after < room:
            return {}
        after, between = (
            exact(self.after),
            f"token_lifetime - renew_before ({exact(room)})",
        )
        so = f'the next token would come first. Write revoke_after = "{rounded(room / 2)}"'
        short = f"leaves too little time: revoke_after is {after}, not shorter than {between}, and {so}"
        return {
            "revoke_after": f"must be shorter than {between}: it is {after}, and {so}",
            "revoke": short,
            "renew_before": short,
            "token_lifetime": short,
        }

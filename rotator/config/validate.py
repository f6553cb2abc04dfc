"""Checks across lines: missing authentication, shared ports, duplicates, times that do not fit together."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from pydantic import ValidationError

from rotator.config.errors import FieldError, FieldPath, Json, dotted
from rotator.config.schema.defaults import PolicyTable
from rotator.config.schema.internal import InternalSettings
from rotator.config.schema.rotation import RotationSettings
from rotator.config.schema.webhook import WebhookSettings
from rotator.config.types.resource_id import ResourceId
from rotator.core.policy import Policy
from rotator.core.records import Revocation
from rotator.durations import exact, rounded

TIMES = ("token_lifetime", "renew_before", "panic_before", "revoke", "revoke_after")
"""The keys whose values have to fit together."""
_BUILT_IN = Policy()
_SHORTEST_INTERVAL = timedelta(minutes=5)
"""The shortest time between a token and the next. A shorter one would replace tokens without end."""

NO_AUTHENTICATION = (
    "the configuration does not say who may deliver, so any client on the Internet could. Write "
    "secret_file, or a table [webhook.entra] (docs/webhook.md shows both), allow_unauthenticated = true if "
    "a proxy in front of this port authenticates, or enabled = false to rely on the schedule alone"
)
CONTRADICTION = (
    "would accept every client although {ways} says who may deliver. Take this line out, or the other if "
    "something in front of this port authenticates"
)
NO_APP = (
    "is missing, and Microsoft publishes no id of Event Grid's app in this cloud. Write app_id = "
    '"<client id>": the appid of the service principal Microsoft.EventGrid in your tenant'
)


def check(raw: Json) -> list[FieldError]:
    """Return the errors of authentication, ports and duplicates. Ignores lines that are invalid otherwise."""
    return [*_authentication(raw), *_ports(raw), *_duplicates(raw)]


def _authentication(raw: Json) -> Iterator[FieldError]:
    """Read the raw lines, not the parsed table: other errors in the table must not hide these."""
    webhook = _table(raw, "webhook")
    if webhook.get("enabled") is False:
        return
    ways = [way for way in ("secret_file", "entra") if way in webhook]
    allowed = webhook.get("allow_unauthenticated", False)
    if not ways and allowed is False:
        yield FieldError(("webhook", "allow_unauthenticated"), NO_AUTHENTICATION)
    if ways and allowed is True:
        sentence = CONTRADICTION.format(ways=" and ".join(ways))
        yield FieldError(("webhook", "allow_unauthenticated"), sentence)
    entra, cloud = _table(webhook, "entra"), _table(raw, "azure").get("cloud", "public")
    if "entra" in ways and cloud == "china" and "app_id" not in entra:
        yield FieldError(("webhook", "entra", "app_id"), NO_APP)


def _ports(raw: Json) -> Iterator[FieldError]:
    try:
        webhook = WebhookSettings.model_validate(raw.get("webhook", {}))
        internal = InternalSettings.model_validate(raw.get("internal", {}))
    except ValidationError:
        return
    if webhook.enabled and webhook.listen.port == internal.listen.port != 0:
        yield FieldError(
            ("internal", "listen"),
            "is also the webhook's port. Probes and metrics are not for the Internet: write another port",
        )


def _duplicates(raw: Json) -> Iterator[FieldError]:
    seen: dict[tuple[str, ...], FieldPath] = {}
    for path, what, identity in _identities(raw):
        if (first := seen.setdefault((what, *identity), path)) is not path:
            yield FieldError(path, f"is already {what} of {dotted(first[:-1])}. {_REMEDIES[what]}")


_REMEDIES = {
    "the name": "Give each gateway a name of its own",
    "the ARM id": "Write each gateway once, with all its targets",
    "the Secret": "Write each Secret once: it keeps one token and one record",
}


def _identities(raw: Json) -> Iterator[tuple[FieldPath, str, tuple[str, ...]]]:
    """Yield each value that has to be unique: its path, what it is, and what makes two of them equal."""
    for n, gateway in _tables(raw.get("gateways")):
        here: FieldPath = ("gateways", n)
        if isinstance(name := gateway.get("name"), str):
            yield (*here, "name"), "the name", (name,)
        if isinstance(text := gateway.get("resource_id"), str) and (key := _key(text)):
            yield (*here, "resource_id"), "the ARM id", (key,)
        for m, target in _tables(gateway.get("targets")):
            place = (target.get("context") or "", target.get("namespace"), target.get("secret"))
            if all(isinstance(part, str) for part in place):
                yield (*here, "targets", m, "secret"), "the Secret", tuple(map(str, place))


def _table(raw: Json, name: str) -> Json:
    found = raw.get(name)
    return found if isinstance(found, dict) else {}


def _tables(written: object) -> Iterator[tuple[int, Json]]:
    for n, table in enumerate(written if isinstance(written, list) else []):
        if isinstance(table, dict):
            yield n, table


def _key(text: str) -> str | None:
    try:
        return ResourceId.parse(text).key
    except ValueError:
        return None


def check_times(raw: Json) -> list[FieldError]:
    """Check how the times of each policy fit together, as far as its own table can be read."""
    defaults = _times_of(raw.get("defaults", {}))
    if defaults is None:
        return []
    errors = _check_times(("defaults",), defaults, defaults)
    policies: list[PolicyTable] = []
    for n, gateway in _tables(raw.get("gateways")):
        if own := _times_of(gateway):
            policies.append(defaults.overlaid_with(own))
            errors += _check_times(("gateways", n), own, policies[-1])
    return errors or _jitter(raw, policies)


def _jitter(raw: Json, policies: list[PolicyTable]) -> list[FieldError]:
    try:
        rotation = RotationSettings.model_validate(raw.get("rotation", {}))
    except ValidationError:
        return []
    return _check_jitter(rotation.schedule_jitter, policies)


def _times_of(raw: object) -> PolicyTable | None:
    if not isinstance(raw, dict):
        return None
    try:
        return PolicyTable.model_validate({key: raw[key] for key in TIMES if key in raw})
    except ValidationError:
        return None


def _check_times(path: FieldPath, own: PolicyTable, merged: PolicyTable) -> list[FieldError]:
    """Return the first error of merged that a line in own can correct."""
    times = _Times(merged)
    found = times.renewal() or times.panic() or times.revocation()
    return next(
        ([FieldError((*path, key), text)] for key, text in found.items() if _is_written(own, key)), []
    )


def _check_jitter(jitter: timedelta, merged: list[PolicyTable]) -> list[FieldError]:
    """Return an error if the jitter may delay renewals into panic_before."""
    rooms = [times.renew - times.panic_before for times in map(_Times, merged)]
    if not rooms or jitter < (room := min(rooms)):
        return []
    text = (
        f"must be shorter than renew_before - panic_before ({exact(room)}): it is {exact(jitter)}, and "
        f'renewals would begin too late. Write schedule_jitter = "{rounded(room / 2)}" under [rotation]'
    )
    return [FieldError(("rotation", "schedule_jitter"), text)]


def _is_written(own: PolicyTable, key: str) -> bool:
    return getattr(own, key) is not None


class _Times:
    """The times of one policy in force. Each method returns an error for each key that could correct it, the
    likeliest key first; nothing if the times fit together.
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

"""What no single line shows: things said twice, ports shared, an open door."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import ValidationError

from rotator.config.mistakes import Json, Mistake, Path, dotted
from rotator.config.resource_id import ResourceId
from rotator.config.sections import InternalSettings
from rotator.config.webhook import WebhookSettings

OPEN_DOOR = (
    "deliveries are not authenticated in this version (that comes in a later one), so the endpoint must not "
    "be reachable from the Internet without a gateway or ingress in front that authenticates. "
    "Write allow_unauthenticated = true if that is so, or enabled = false to rely on the schedule alone"
)


def check(raw: Json) -> list[Mistake]:
    """Return these mistakes. raw need not be valid otherwise: what cannot be read is passed over."""
    return [*_ports(raw), *_twice(raw)]


def _ports(raw: Json) -> Iterator[Mistake]:
    try:
        webhook = WebhookSettings.model_validate(raw.get("webhook", {}))
        internal = InternalSettings.model_validate(raw.get("internal", {}))
    except ValidationError:
        return
    if not webhook.enabled:
        return
    if not webhook.allow_unauthenticated:
        yield Mistake(("webhook", "allow_unauthenticated"), OPEN_DOOR)
    if webhook.listen.port == internal.listen.port != 0:
        yield Mistake(
            ("internal", "listen"),
            "is the webhook's port: probes and metrics are not for the Internet. Write another port",
        )


def _twice(raw: Json) -> Iterator[Mistake]:
    seen: dict[tuple[str, ...], Path] = {}
    for path, what, identity in _identities(raw):
        if (first := seen.setdefault((what, *identity), path)) is not path:
            yield Mistake(path, f"is {what} of {dotted(first[:-1])} already. {_REMEDIES[what]}")


_REMEDIES = {
    "the name": "Give each gateway a name of its own",
    "the ARM id": "Write each gateway once, with all its targets",
    "the Secret": "Write each Secret once: it keeps one token and one record",
}


def _identities(raw: Json) -> Iterator[tuple[Path, str, tuple[str, ...]]]:
    """Yield each thing that may be there only once: where it stands, what it is, what makes it the same."""
    for n, gateway in _tables(raw.get("gateways")):
        here: Path = ("gateways", n)
        if isinstance(name := gateway.get("name"), str):
            yield (*here, "name"), "the name", (name,)
        if isinstance(text := gateway.get("resource_id"), str) and (key := _key(text)):
            yield (*here, "resource_id"), "the ARM id", (key,)
        for m, target in _tables(gateway.get("targets")):
            place = (target.get("context") or "", target.get("namespace"), target.get("secret"))
            if all(isinstance(part, str) for part in place):
                yield (*here, "targets", m, "secret"), "the Secret", tuple(map(str, place))


def _tables(written: object) -> Iterator[tuple[int, Json]]:
    for n, table in enumerate(written if isinstance(written, list) else []):
        if isinstance(table, dict):
            yield n, table


def _key(text: str) -> str | None:
    try:
        return ResourceId.parse(text).key
    except ValueError:
        return None

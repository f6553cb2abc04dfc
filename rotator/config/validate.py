"""What no single line shows: things said twice, ports shared, an open door."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import ValidationError

from rotator.config.errors import Json, Mistake, Path, dotted
from rotator.config.schema.sections import InternalSettings
from rotator.config.schema.webhook import WebhookSettings
from rotator.config.types.resource_id import ResourceId

OPEN_DOOR = (
    "nothing says who may deliver, and anybody on the Internet could. Write secret_file, or a table "
    "[webhook.entra] (docs/webhook.md shows both), allow_unauthenticated = true if something in front of "
    "this port authenticates, or enabled = false to rely on the schedule alone"
)
CONTRADICTION = (
    "would let everybody in although {ways} says who may deliver. Take this line out, or the other if "
    "something in front of this port authenticates"
)
NO_APP = (
    "is missing, and Microsoft publishes no id of Event Grid's app in this cloud. Write app_id = "
    '"<client id>": the appid of the service principal Microsoft.EventGrid in your tenant'
)


def check(raw: Json) -> list[Mistake]:
    """Return these mistakes. raw need not be valid otherwise: what cannot be read is passed over."""
    return [*_doors(raw), *_ports(raw), *_twice(raw)]


def _doors(raw: Json) -> Iterator[Mistake]:
    """Look at what is written, not at what it means: other mistakes in the table must not hide these."""
    webhook = _table(raw, "webhook")
    if webhook.get("enabled") is False:
        return
    ways = [way for way in ("secret_file", "entra") if way in webhook]
    allowed = webhook.get("allow_unauthenticated", False)
    if not ways and allowed is False:
        yield Mistake(("webhook", "allow_unauthenticated"), OPEN_DOOR)
    if ways and allowed is True:
        sentence = CONTRADICTION.format(ways=" and ".join(ways))
        yield Mistake(("webhook", "allow_unauthenticated"), sentence)
    entra, cloud = _table(webhook, "entra"), _table(raw, "azure").get("cloud", "public")
    if "entra" in ways and cloud == "china" and "app_id" not in entra:
        yield Mistake(("webhook", "entra", "app_id"), NO_APP)


def _ports(raw: Json) -> Iterator[Mistake]:
    try:
        webhook = WebhookSettings.model_validate(raw.get("webhook", {}))
        internal = InternalSettings.model_validate(raw.get("internal", {}))
    except ValidationError:
        return
    if webhook.enabled and webhook.listen.port == internal.listen.port != 0:
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

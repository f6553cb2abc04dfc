"""Input from outside, as targets: deliveries, batches, credentials, addresses, the configuration."""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from rotator.config import load
from rotator.config.schema.entra import expected
from rotator.config.schema.webhook import WebhookSettings
from rotator.core.access_token import MalformedTokenError, parse_token
from rotator.errors import ConfigError, Refused, Unavailable
from rotator.eventgrid.auth.entra import BearerToken
from rotator.eventgrid.auth.jwks import SigningKeys, parse_key_set
from rotator.eventgrid.auth.rate_limit import source
from rotator.eventgrid.auth.result import AuthOutcome
from rotator.eventgrid.auth.shared_secret import read_secrets
from rotator.eventgrid.delivery import Events, Rejected, TokenEvent, parse_delivery
from rotator.eventgrid.events import read_event
from rotator.eventgrid.pull.batch import RELEASE_DELAYS, read_batch, release_delay
from rotator.ports import FetchedEvent
from rotator.redaction import redact
from sandbox.azure.entra import TENANT, Entra
from tests import configuration
from tests.eventgrid.builders import CLOUD, EXPIRED, GRID, body, cloud, data, grid, validation
from tests.fuzz.guided import Target

AUDIENCE = "api://rotator.example"
CANARY = "Zm9yZ2VkLWNhbmFyeS12YWx1ZS1vZi1hLXRva2VuLTAxMjM0NTY3ODk="
"""The signature of an invented token: it may come out nowhere."""
TOKEN = f"oslo&203001010000&{CANARY}"
NOW = 1_700_000_000.0
LONGEST_SENTENCE = 1_000
_EXAMPLE = Path(__file__).parents[2] / "config.example.toml"
ENTRA = Entra()
_FOLDER = tempfile.mkdtemp(prefix="rotator-fuzz-")
atexit.register(shutil.rmtree, _FOLDER, ignore_errors=True)


def parsed(data: bytes) -> Any:
    """Return the JSON in data, or None: these targets are about what it says."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def texts_in(value: object) -> dict[str, str]:
    """Return the pairs of texts of an object: all that annotations and a Secret's data can be, in UTF-8."""
    pairs = value.items() if isinstance(value, dict) else ()
    texts = {name: said for name, said in pairs if isinstance(said, str)}
    return {name: said for name, said in texts.items() if said.encode("utf-8", "ignore").decode() == said}


def delivery(raw: bytes) -> None:
    head, _, tail = raw.partition(b"\n\n")
    lines = [line.partition(b":") for line in head.split(b"\n")]
    headers = {name.decode("latin-1"): value.strip().decode("latin-1") for name, _, value in lines}
    try:
        found = parse_delivery(headers, tail)
    except Rejected as error:
        assert error.status in {400, 413, 415}
        assert len(error.sentence) < LONGEST_SENTENCE
        assert CANARY not in error.sentence
        return
    for event in found.events if isinstance(found, Events) else ():
        if isinstance(event, TokenEvent):
            _sound(event)


def _sound(event: TokenEvent) -> None:
    again = read_event(cloud(data=data(event.resource)))
    assert isinstance(again, TokenEvent)
    assert again.resource == event.resource
    assert event.gateway
    assert "/" not in event.gateway
    assert event.expires_at is None or event.expires_at.second == event.expires_at.microsecond == 0
    f"{event.instance}{event.event_id}{event.resource}".encode()  # no lone surrogates: it is written down


def batch(raw: bytes) -> None:
    found = parsed(raw)
    items = found if isinstance(found, list) else [found]
    fetched = [FetchedEvent(str(n), n % 12, item) for n, item in enumerate(items)]
    sorted_out = read_batch(fetched)
    locks = [lock for c in sorted_out.groups for lock in c.locks]
    assert sorted(locks + sorted_out.ignored + sorted_out.invalid) == sorted(f.lock for f in fetched)
    for problem in (Refused("no", "do"), Unavailable("later")):
        assert all(release_delay(f.deliveries, problem) in RELEASE_DELAYS for f in fetched)


def token(raw: bytes) -> None:
    text = raw.decode("utf-8", "surrogateescape")
    try:
        found = parse_token(text)
    except MalformedTokenError as error:
        assert CANARY not in str(error)
        return
    again = parse_token(f"GatewayKey {found.value}\n")
    assert again.prefixed
    assert (again.value, again.fingerprint) == (found.value, found.fingerprint)
    assert found.value not in repr(found)


def config(raw: bytes) -> None:
    path = Path(_FOLDER, "config.toml")
    path.write_bytes(raw)
    try:
        settings = load(path, {"HOME": _FOLDER})
    except ConfigError as error:
        assert str(error).strip()
        assert CANARY not in str(error)
        return
    assert settings.gateways
    repr(settings)


def bearer(raw: bytes) -> None:
    """Anything in the Authorization header; no valid signature is among them."""
    outcome = _judged(raw.decode("latin-1"))
    signed = raw.strip().partition(b" ")[2].strip()
    assert outcome is not AuthOutcome.AUTHENTICATED or signed.decode("latin-1").count(".") == 2


def claims(raw: bytes) -> None:
    """A token that Entra signed, whatever it says: nothing comes in but Event Grid's of our tenant."""
    import jwt

    key = ENTRA.signing
    made = jwt.PyJWS().encode(raw, key.private, "RS256", {"kid": key.kid})
    if _judged(f"Bearer {made}") is AuthOutcome.AUTHENTICATED:
        said = json.loads(raw)
        assert str(said["tid"]).lower() == TENANT
        assert AUDIENCE in said["aud"]


def keys(raw: bytes) -> None:
    for kid, key in parse_key_set(parsed(raw)).items():
        assert isinstance(kid, str)
        assert key.key_type == "RSA"


def secrets(raw: bytes) -> None:
    path = Path(_FOLDER, "secrets")
    path.write_bytes(raw)
    try:
        found = read_secrets(path)
    except ValueError as error:
        assert CANARY not in str(error)
        return
    assert found
    assert all(len(one) >= 16 for one in found)


def forwarded(raw: bytes) -> None:
    peer, *headers = raw.decode("latin-1").split("\n")
    trusted = WebhookSettings(trusted_proxies=["10.0.0.0/8", "::1/128"]).trusted_proxies  # type: ignore[list-item]
    assert len(source(peer, headers, trusted)) <= 64


def redaction(raw: bytes) -> None:
    """A token, however it stands in a line: its signature does not stay."""
    around = raw.decode("utf-8", "replace").split("\0")
    line = f"{around[0]} {TOKEN} {around[-1]}"
    assert CANARY not in redact(line)
    assert CANARY not in redact(json.dumps(line))


def _judged(authorization: str) -> AuthOutcome:
    public = SigningKeys("https://127.0.0.1:1/keys", clock=lambda: NOW)
    public._keys = parse_key_set({"keys": [key.public for key in ENTRA.published]})
    public._not_before = NOW + 60  # an unknown key is not fetched
    settings = WebhookSettings(entra={"tenant_id": TENANT, "audiences": [AUDIENCE]}).entra  # type: ignore[arg-type]
    assert settings
    judge = BearerToken(expected(settings, "public"), public, lambda: NOW).authenticate(authorization)
    return _done(judge).outcome


def _done(work: Coroutine[Any, Any, Any]) -> Any:
    """Return what a coroutine returns that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits for something")


def _delivered(headers: dict[str, str], value: object) -> bytes:
    return "\n".join(f"{k}: {v}" for k, v in headers.items()).encode() + b"\n\n" + body(value)


def _said(**changes: object) -> dict[str, object]:
    at = int(NOW)
    return ENTRA.claims(AUDIENCE, iat=at, nbf=at, exp=at + 3600, **changes)


_EVENTS = [cloud(), grid(), cloud(type=EXPIRED, data=data(expiredAtUtc="2025-02-25T08:56:00Z"))]
_BATCH = [*_EVENTS, cloud(type="Contoso.Else"), grid(data=data(gateway="gateways/oslo")), {"type": 1}]
_WEBHOOK = (
    '[webhook]\nlisten = "127.0.0.1:0"\nsecret_file = "secrets"\nmax_rate = 600\nbody_timeout = "9s"\n'
    'trusted_proxies = ["10.0.0.0/8"]\nallowed_subscriptions = ["a"]\n'
)

EDGES = (
    Target(
        "delivery",
        delivery,
        [
            _delivered(CLOUD, cloud()),
            _delivered(GRID, [grid(), grid(eventType=EXPIRED)]),
            _delivered(CLOUD, _BATCH),
            _delivered(GRID | {"aeg-event-type": "SubscriptionValidation"}, [validation()]),
            _delivered(GRID | {"aeg-event-type": "SubscriptionDeletion"}, [grid()]),
        ],
    ),
    Target("batch", batch, [body(_BATCH), body(cloud(subject="/gateways/oslo"))]),
    Target("token", token, [TOKEN.encode(), f"  GatewayKey {TOKEN}\n".encode()]),
    Target(
        "config",
        config,
        [
            configuration.SMALLEST.encode(),
            (_WEBHOOK + configuration.gateway(more='renew_before = "8d"\nrevoke = "after-verify"')).encode(),
            _EXAMPLE.read_bytes(),
        ],
    ),
    Target("bearer", bearer, [f"Bearer {ENTRA.token(_said())}".encode(), b"Basic eDp5"]),
    Target("claims", claims, [body(_said()), body(ENTRA.claims(AUDIENCE, "2.0", exp=NOW, nbf=0))]),
    Target("keys", keys, [body({"keys": [key.public for key in ENTRA.published]})]),
    Target("secrets", secrets, [CANARY.encode() + b"\nan-invented-secret-1\n", b"short\n"]),
    Target(
        "forwarded", forwarded, [b"10.0.0.1\n1.2.3.4, [2001:db8::1]:99, 10.0.0.2", b"::1\n::ffff:1.2.3.4"]
    ),
    Target("redaction", redaction, [b"GatewayKey \0&203001010000&", b"a\\u0026b \0 Bearer x"]),
)

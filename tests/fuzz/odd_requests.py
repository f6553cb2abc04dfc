"""Malformed requests: strategies for their heads, their bodies, and how both are cut up."""

from __future__ import annotations

import json
import random
from typing import Any

from hypothesis import strategies as st

from tests.eventgrid.builders import EXPIRED, body, cloud, data, grid, validation
from tests.fuzz.edges import AUDIENCE, CANARY, ENTRA, TOKEN
from tests.fuzz.mutate import mutate
from tests.fuzz.port import DOORS, MOST_BODY, SECRET, WRONG

Request = tuple[str, list[bytes]]
"""A door, and the parts that are written to it."""

BEARER = ENTRA.event_grid_token(AUDIENCE)
EVENTS = [
    body(cloud()),
    body([grid(), grid(eventType=EXPIRED)]),
    body([validation()]),
    body([cloud(type=EXPIRED), cloud(data=data("gateways/later")), {"type": []}]),
    body(grid(data={"eventSubscriptionId": "s"}, eventType="Microsoft.EventGrid.SubscriptionDeletedEvent")),
    body(
        cloud(subject=TOKEN, data={"gatewayInfo": {"gatewayId": TOKEN}, "tokenInfo": {"expiresAtUtc": TOKEN}})
    ),
]
_HUGE = st.sampled_from(
    [
        b"[" * 100_000,
        b'{"data":' * 50_000,
        b"[" + b",".join([EVENTS[0]] * 600) + b"]",
        b"[" + b",".join([b'{"type":"x"}'] * 5_001) + b"]",
        b"[" + b",".join([b"1"] * 100_000) + b"]",
        b'{"id":' + b"9" * 10_000 + b"}",
        b'{"id":1e' + b"9" * 400 + b',"time":-0.0}',
        b'{"type":"\\ud800","data":{"gatewayInfo":{"gatewayId":"\\udfff"}}}',
        b'{"type":"a",' * 1 + b'"type":"b",' * 2_000 + b'"type":"c"}',
        b"x" * (MOST_BODY + 1),
        b" " * (MOST_BODY - 1) + b"1",
        b"\xef\xbb\xbf\xef\xbb\xbf{}",
        EVENTS[0].decode().encode("utf-16"),
    ]
)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda v: (
        st.lists(v, max_size=4)
        | st.dictionaries(st.sampled_from([*cloud(), *grid()]) | st.text(max_size=9), v, max_size=5)
    ),
    max_leaves=12,
)


@st.composite
def _bent(draw: Any) -> bytes:
    """A real delivery, bent."""
    dice = random.Random(draw(st.integers(0, 2**32)))
    return mutate(draw(st.sampled_from(EVENTS)), dice, EVENTS)


BODIES = st.one_of(
    st.sampled_from(EVENTS),
    _bent(),
    _bent(),
    _bent(),
    st.binary(max_size=300),
    _json.map(lambda value: json.dumps(value).encode()),
    _HUGE,
)
_PLAIN = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40).map(str.encode)
_ODD = st.binary(max_size=60) | st.text(max_size=30).map(lambda t: t.encode("utf-8", "surrogatepass"))
_WORDS = st.one_of(
    *[_PLAIN] * 9, st.binary(max_size=40).map(lambda b: b.translate(None, bytes(range(32)))), _ODD
)
_NAMES = st.from_regex(rb"[a-zA-Z0-9!#$%&'*+.^_`|~-]{1,20}", fullmatch=True)


def _one(name: bytes, *values: bytes) -> st.SearchStrategy[tuple[bytes, bytes]]:
    return st.tuples(st.just(name), st.sampled_from(values) | _WORDS)


HEADERS = st.one_of(
    _one(
        b"Authorization", b"Bearer " + BEARER.encode(), b"Bearer " + CANARY.encode(), b"Bearer", b"Basic eDp5"
    ),
    _one(b"Authorization", b"Bearer " + BEARER[:-9].encode(), b"bEARER  " + b"." * 9_000, b"Bearer a.b.c"),
    _one(b"X-Rotator-Secret", WRONG.encode(), SECRET.encode(), b"", b"x" * 20_000),
    _one(
        b"X-Forwarded-For",
        b"1.2.3.4, ::1",
        b"," * 5_000,
        b"[::ffff:1.2.3.4]:9",
        b"127.0.0.1",
        b"fe80::1%eth0",
    ),
    _one(b"Content-Type", b"text/html", b"application/json;charset=utf-16", b"application/json;;=;", b""),
    _one(b"aeg-event-type", b"SubscriptionValidation", b"SubscriptionDeletion", b"Notification"),
    _one(b"aeg-subscription-name", b"ROTATOR", b"other", b"\xff\x00"),
    _one(b"WebHook-Request-Origin", b"eventgrid.azure.net", b"*", b"\xe9\xff", b"a" * 9_000),
    _one(b"Expect", b"100-continue", b"200-ok"),
    _one(b"Connection", b"close", b"upgrade", b"keep-alive, Transfer-Encoding"),
    _one(b"Upgrade", b"websocket", b"h2c"),
    _one(b"Content-Length", b"0", b"-1", b"+5", b"9" * 30, b"5, 5", b"0x10"),
    _one(b"Transfer-Encoding", b"chunked", b"gzip, chunked", b"identity", b"chunked, chunked"),
    st.tuples(st.just(b"x-huge"), st.sampled_from([30_000, 65_000, 140_000]).map(b"h".__mul__)),
    st.tuples(_NAMES, _WORDS),
    st.tuples(_WORDS, _WORDS),
)
PATHS = st.sampled_from(
    [
        b"/",
        b"/events/",
        b"//events",
        b"/EVENTS",
        b"/events%00",
        b"*",
        b"http://h/events",
        b"/%zz",
        b"/events;a",
    ]
)
METHODS = st.sampled_from(
    [b"GET", b"OPTIONS", b"HEAD", b"PUT", b"TRACE", b"CONNECT", b"PRI", b"POSTX", b"post"]
)
_QUERIES = st.sampled_from(
    [b"code=" + SECRET.encode(), b"code=" + WRONG.encode(), b"code=%zz&code=%ff", b"&" * 500, b"code=" * 99]
)


@st.composite
def requests(draw: Any) -> Request:
    """Most of them get in and say something; the rest goes wrong in one way or several."""
    door = draw(st.sampled_from(DOORS))
    often = st.sampled_from([True] * 12 + [False])
    method = b"POST" if draw(often) else draw(METHODS | _NAMES)
    path = b"/events" if draw(often) else draw(PATHS | _WORDS.map(b"/".__add__))
    query = b"" if draw(often) else b"?" + draw(_QUERIES | _WORDS)
    headers = [(b"Host", b"rotator"), (b"Content-Type", b"application/json")]
    if draw(often):
        headers += _credential(door)
    headers += draw(st.lists(HEADERS, max_size=draw(st.sampled_from([0, 0, 1, 1, 1, 4]))))
    if not draw(often):
        headers = draw(st.permutations(headers))
    raw = draw(BODIES)
    framing, sent = _framed(raw, draw(st.sampled_from(range(32))))
    head = b"%s %s%s HTTP/1.%d\r\n" % (method, path, query, draw(often))
    head += b"".join(b"%s: %s\r\n" % pair for pair in headers) + framing + b"\r\n"
    whole = head + sent
    cut = draw(st.integers(0, len(whole))) if draw(st.booleans()) else len(whole)
    return door, [part for part in (whole[:cut], whole[cut:]) if part]


def _credential(door: str) -> list[tuple[bytes, bytes]]:
    if door == "entra":
        return [(b"Authorization", b"Bearer " + BEARER.encode())]
    return [] if door == "open" else [(b"X-Rotator-Secret", SECRET.encode())]


def _framed(raw: bytes, way: int) -> tuple[bytes, bytes]:
    """Return the header that announces raw, and how it is sent: mostly right."""
    match way:
        case 0:
            return b"", b""
        case 1:
            return b"Content-Length: %d\r\n" % (len(raw) + 5), raw
        case 2:
            return b"Content-Length: %d\r\n" % (len(raw) // 2), raw
        case 3:
            return b"Transfer-Encoding: chunked\r\n", b"zz\r\n" + raw
        case 4 | 5 | 6 | 7:
            half = len(raw) // 2
            chunks = b"".join(b"%x;a=b\r\n%s\r\n" % (len(c), c) for c in (raw[:half], raw[half:]) if c)
            return b"Transfer-Encoding: chunked\r\n", chunks + b"0\r\n\r\n"
        case _:
            return b"Content-Length: %d\r\n" % len(raw), raw

"""Bends bytes: blindly, as JSON, as lines, and with words that have made parsers stumble before."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from typing import Any

LONGEST = 60_000
VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    2**31,
    2**63,
    10**30,
    -1e308,
    0.1,
    "",
    " ",
    "0",
    "-1",
    "1" * 5_000,
    "9" * 400,
    "true",
    "\u0000",
    "\ud800",
    "\u0661\u0662",
    "\u0130\u212a\u00df",
    "\u202e\u200b",
    "a" * 3_000,
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59.9999999-14:00",
    "2025-02-29T24:00:00Z",
    "2025-02-25T08:56:00",
    [],
    [[]],
    {},
    {"": None},
)
WORDS = (
    b"\x00",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b"\xc0\xaf",
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"9" * 5_000,
    b"[" * 3_000,
    b'{"a":' * 3_000,
    b"\\ud800",
    b"\\u0000",
    b"\n",
    b"&",
    b"%00",
    b"null",
    b"'''",
    b'"""',
)
_NUMBER = b"0123456789"
Mutation = Callable[[bytes, random.Random, Sequence[bytes]], bytes]


def mutate(data: bytes, dice: random.Random, pool: Sequence[bytes]) -> bytes:
    """Return data bent one to four times. pool: inputs to borrow pieces from, not empty."""
    for _ in range(dice.choice((1, 1, 2, 4))):
        data = dice.choice(MUTATIONS)(data, dice, pool)[:LONGEST]
    return data


def _flip(data: bytes, dice: random.Random, _: Sequence[bytes]) -> bytes:
    at = dice.randrange(len(data) + 1)
    return data[:at] + bytes([dice.randrange(256)]) + data[at + 1 :]


def _insert(data: bytes, dice: random.Random, _: Sequence[bytes]) -> bytes:
    at = dice.randrange(len(data) + 1)
    return data[:at] + dice.choice(WORDS) + data[at:]


def _cut(data: bytes, dice: random.Random, _: Sequence[bytes]) -> bytes:
    begin, end = _piece(data, dice)
    return data[:begin] + data[end:]


def _repeat(data: bytes, dice: random.Random, _: Sequence[bytes]) -> bytes:
    begin, end = _piece(data, dice)
    return data[:end] + data[begin:end] * dice.choice((1, 2, 50)) + data[end:]


def _borrow(data: bytes, dice: random.Random, pool: Sequence[bytes]) -> bytes:
    begin, end = _piece(data, dice)
    other = dice.choice(pool)
    first, last = _piece(other, dice)
    return data[:begin] + other[first:last] + data[end:]


def _digit(data: bytes, dice: random.Random, _: Sequence[bytes]) -> bytes:
    places = [n for n, byte in enumerate(data) if byte in _NUMBER]
    if not places:
        return data
    at = dice.choice(places)
    return data[:at] + bytes([dice.choice(_NUMBER)]) + data[at + 1 :]


def _lines(data: bytes, dice: random.Random, pool: Sequence[bytes]) -> bytes:
    lines, others = data.split(b"\n"), dice.choice(pool).split(b"\n")
    at = dice.randrange(len(lines))
    match dice.randrange(4):
        case 0:
            del lines[at]
        case 1:
            lines.insert(at, dice.choice(others))
        case 2:
            lines[at] = dice.choice(others)
        case _:
            name, sign, _ = lines[at].partition(b"=")
            value = json.dumps(dice.choice(VALUES), ensure_ascii=dice.random() < 0.5)
            lines[at] = name + sign + value.encode("utf-8", "surrogatepass")
    return b"\n".join(lines)


def _json(data: bytes, dice: random.Random, pool: Sequence[bytes]) -> bytes:
    """Change one value somewhere in the JSON at the end of data, or in what stands in it as text."""
    head, mark, tail = data.rpartition(b"\n\n")
    try:
        found = json.loads(tail)
        other = json.loads(dice.choice(pool).rpartition(b"\n\n")[2])
    except (ValueError, RecursionError):
        return _lines(data, dice, pool)
    try:
        changed = json.dumps(_bent(found, dice, other), ensure_ascii=dice.random() < 0.7)
    except (ValueError, RecursionError):
        return data
    return head + mark + changed.encode("utf-8", "surrogatepass")


def _bent(value: Any, dice: random.Random, other: Any) -> Any:
    if value and dice.random() < 0.9:
        if isinstance(value, dict):
            return _bent_object(value, dice, other)
        if isinstance(value, list):
            at = dice.randrange(len(value))
            if dice.random() < 0.1:
                return value + [value[at]] * dice.choice((1, 5, 6_000 if len(str(value[at])) < 9 else 2))
            return [*value[:at], _bent(value[at], dice, other), *value[at + 1 :]]
        if isinstance(value, str) and dice.random() < 0.6:
            words = (value, str(dice.choice(VALUES)), str(other)[:80])
            return _bent_text(value, dice, words)
    return dice.choice((dice.choice(VALUES), other))


def _bent_object(value: dict[str, Any], dice: random.Random, other: Any) -> dict[str, Any]:
    name = dice.choice(list(value))
    match dice.randrange(8):
        case 0:
            return {k: v for k, v in value.items() if k != name}
        case 1:
            return value | {dice.choice((name.upper(), name + "x", "")): value[name]}
        case 2 if isinstance(other, dict):
            return value | other
        case _:
            return value | {name: _bent(value[name], dice, other)}


def _bent_text(text: str, dice: random.Random, words: Sequence[str]) -> str:
    begin = dice.randrange(len(text) + 1)
    end = min(len(text), begin + dice.choice((0, 1, 4)))
    return text[:begin] + dice.choice((*words, str(dice.randrange(10)), "/", "&", ",", " ", "-")) + text[end:]


def _piece(data: bytes, dice: random.Random) -> tuple[int, int]:
    begin = dice.randrange(len(data) + 1)
    return begin, min(len(data), begin + dice.choice((1, 2, 4, 8, 32, 200)))


MUTATIONS: tuple[Mutation, ...] = (
    _flip,
    _insert,
    _cut,
    _repeat,
    _borrow,
    _digit,
    _lines,
    _json,
    _json,
    _json,
    _json,
)

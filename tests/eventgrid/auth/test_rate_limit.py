"""One source may send so much a minute; no client can choose its source."""

from __future__ import annotations

import tracemalloc
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.eventgrid.auth.rate_limit import MAX_SOURCES, RateLimit, source
from tests.eventgrid.auth.webhook_server import OLD, Clock, serving_webhook

PROXIES = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"), ip_network("127.0.0.1/32"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("203.0.113.9", [], "203.0.113.9"),
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),  # any client may have written it
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        (
            "10.0.0.1",
            ["1.1.1.1, 198.51.100.1"],
            "198.51.100.1",
        ),  # any client may have written the entries further left
        ("10.0.0.1", ["1.1.1.1", "198.51.100.1, 10.2.3.4"], "198.51.100.1"),
        ("10.0.0.1", ["10.9.9.9, 10.2.3.4"], "10.9.9.9"),
        ("10.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("10.0.0.1", ["[2001:db8::7]:4711"], "2001:db8::/64"),
        ("10.0.0.1", ["198.51.100.1, nonsense"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1, nonsense, 10.2.3.4"], "10.2.3.4"),
        ("10.0.0.1", ["", " , "], "10.0.0.1"),
        ("fd00::1", ["2001:db8:1:2:3:4:5:6"], "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", [], "2001:db8:1:2::/64"),
        ("::ffff:10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("::ffff:203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
        ("fe80::1%eth0", [], "fe80::/64"),
        ("", ["198.51.100.1"], ""),
        ("/run/socket", ["198.51.100.1"], "/run/socket"),
    ],
)
def test_the_source_is_the_first_from_the_right_that_is_no_trusted_proxy(
    peer: str, forwarded: list[str], expected: str
) -> None:
    assert source(peer, forwarded, PROXIES) == expected


def test_without_trusted_proxies_no_header_is_believed() -> None:
    assert source("10.0.0.1", ["198.51.100.1"], ()) == "10.0.0.1"


@given(st.text(max_size=60), st.lists(st.text(st.characters(codec="latin-1"), max_size=80), max_size=4))
def test_whatever_is_written_a_source_comes_out_and_a_short_one(peer: str, forwarded: list[str]) -> None:
    for address in (peer, "10.0.0.1", "203.0.113.9"):
        assert len(source(address, forwarded, PROXIES)) <= 64


def test_a_very_long_list_of_hops_is_read_from_the_right_only() -> None:
    hops = ",".join(["10.0.0.2"] * 20_000)
    assert source("10.0.0.1", ["198.51.100.1," + hops], PROXIES) == "10.0.0.2"


def test_a_bucket_holds_a_minute_and_fills_up_evenly() -> None:
    clock = Clock()
    rate = RateLimit(60, clock)
    assert [rate.take("a") for _ in range(61)] == [0.0] * 60 + [1.0]
    clock.seconds += 2
    assert [rate.take("a") for _ in range(3)] == [0.0, 0.0, 1.0]
    clock.seconds += 1e6
    assert [rate.take("a") for _ in range(61)] == [0.0] * 60 + [1.0]


def test_the_table_does_not_grow_under_a_flood_of_sources() -> None:
    rate = RateLimit(600)
    for n in range(MAX_SOURCES):
        rate.take((f"10.0.{n >> 8}.{n & 255}", False))
    tracemalloc.start()
    for n in range(50_000):
        rate.take((f"2001:db8:{n:x}::/64", False))
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(rate) == MAX_SOURCES
    assert grown < 6_000_000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "secrets").write_text(OLD)
    return tmp_path / "secrets"


RIGHT = {"x-rotator-secret": OLD}


async def test_too_many_are_answered_429_until_the_bucket_fills(file: Path) -> None:
    clock = Clock()
    async with serving_webhook({"secret_file": file, "max_rate": 3}, clock=clock) as webhook:
        assert [await webhook.status(RIGHT) for _ in range(3)] == [200] * 3
        status, headers, _ = await webhook.post(RIGHT)
        assert (status, headers["retry-after"], len(webhook.events)) == (429, "20", 3)
        assert webhook.counted["Other", "throttled"] == 1
        clock.seconds += 20
        assert [await webhook.status(RIGHT) for _ in range(2)] == [200, 429]


async def test_unauthenticated_deliveries_use_up_nothing_of_the_authenticated_ones_at_the_same_address(
    file: Path,
) -> None:
    """Behind an ingress all requests come from one address."""
    async with serving_webhook({"secret_file": file, "max_rate": 3}, clock=Clock()) as webhook:
        assert [await webhook.status() for _ in range(5)] == [401] * 3 + [429] * 2
        assert await webhook.status(RIGHT) == 200


async def test_each_source_behind_a_trusted_proxy_has_its_own_rate(file: Path) -> None:
    settings = {"secret_file": file, "max_rate": 1, "trusted_proxies": ["127.0.0.1"]}
    async with serving_webhook(settings, clock=Clock()) as webhook:
        sources = ["198.51.100.1", "198.51.100.2", "6.6.6.6, 198.51.100.1", "198.51.100.3"]
        found = [await webhook.status(RIGHT | {"X-Forwarded-For": hop}) for hop in sources]
        assert found == [200, 200, 429, 200]


async def test_where_no_proxy_is_trusted_a_header_earns_no_rate_of_its_own(file: Path) -> None:
    async with serving_webhook({"secret_file": file, "max_rate": 2}, clock=Clock()) as webhook:
        found = [await webhook.status(RIGHT | {"X-Forwarded-For": f"198.51.100.{n}"}) for n in range(4)]
        assert found == [200, 200, 429, 429]


async def test_the_rate_holds_for_a_webhook_that_authenticates_no_delivery() -> None:
    async with serving_webhook({"allow_unauthenticated": True, "max_rate": 1}, clock=Clock()) as webhook:
        assert [await webhook.status(), await webhook.status()] == [200, 429]

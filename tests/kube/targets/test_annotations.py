from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.core.observation import Request
from rotator.core.records import Decision, Key, Proven, Record, Token
from rotator.kube.targets.annotations import (
    PREFIX,
    decode_record,
    decode_request,
    encode_record,
    encode_request,
    read_time,
    write_time,
)
from tests.kube.objects import EXPIRY, NOW

times = st.datetimes(
    datetime(2000, 1, 1),  # noqa: DTZ001 - hypothesis adds the zones
    datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=-7))]),
)
fingerprints = st.text("0123456789abcdef", min_size=12, max_size=12)
keys = st.none() | st.sampled_from(Key)
texts = st.text(min_size=1)
tokens = st.builds(Token, fingerprints, keys, times, times, texts, st.booleans()) | st.builds(
    Token, fingerprints, keys, times, times, st.none(), st.just(True)
)
decisions = st.builds(
    Decision,
    st.integers(0, 10**9 - 1),
    tokens,
    st.frozensets(st.sampled_from(Key)),
    st.integers(0, 99),
    st.none() | times,
)
verified_pods = st.frozensets(st.text("0123456789abcdef", min_size=8, max_size=8))
proofs = st.builds(Proven, tokens, st.none() | times, verified_pods)
records = st.builds(
    Record, decisions, st.none() | times, st.none() | times, st.none() | proofs, verified_pods
)
requests = st.builds(Request, times, st.booleans(), st.text(max_size=200))

RECORD = Record(Decision(4, Token("0123456789ab", Key.PRIMARY, NOW, EXPIRY, "0123456789ab")))


def kept(annotations: dict[str, str | None]) -> dict[str, str]:
    """What a server keeps of a patch: None deletes."""
    return {name: said for name, said in annotations.items() if said is not None}


@given(records)
def test_a_record_reads_as_it_was_written(record: Record):
    assert decode_record(kept(encode_record(record)), "here") == record


@given(requests)
def test_a_request_reads_as_it_was_written(request: Request):
    assert decode_request(kept(encode_request(request)), "here") == request


@given(records, records)
def test_a_record_replaces_every_fact_of_the_one_before(old: Record, new: Record):
    merged = encode_record(old) | encode_record(new)
    assert decode_record(kept(merged), "here") == new


def test_annotations_of_other_writers_are_not_touched():
    assert all(name.startswith(PREFIX) for name in encode_record(RECORD) | encode_request(Request(NOW)))
    of_others = {"team": "blue", "kubectl.kubernetes.io/restartedAt": "2029"}
    assert decode_record(of_others, "here") is None
    assert decode_record(kept(encode_record(RECORD)) | of_others, "here") == RECORD


def test_a_request_leaves_the_record_alone():
    assert not set(encode_request(Request(NOW))) & set(encode_record(RECORD))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("revision", "four"),
        ("expires-at", "tomorrow"),
        ("expires-at", "2030-01-02T03:04:00"),
        ("fingerprint", "not hex at all"),
        ("key", "tertiary"),
        ("condemned", "primary,both"),
        ("previous", "{"),
        ("previous", "[1]"),
        ("previous", '{"fingerprint": 1}'),
        ("previous", "[" * 100_000),
        ("issued-at", None),
        ("mark", None),
    ],
)
def test_an_annotation_edited_by_hand_counts_as_no_record_and_is_named(name, text, caplog):
    annotations = kept(encode_record(RECORD) | {PREFIX + name: text})
    with caplog.at_level(logging.WARNING, "rotator.kube"):
        assert decode_record(annotations, "Secret apim/s") is None
    assert "Secret apim/s" in caplog.text
    assert PREFIX + "revision" in caplog.text


def test_a_request_without_a_readable_time_is_no_request(caplog):
    assert decode_request({PREFIX + "requested-at": "soon"}, "Secret apim/s") is None
    assert "Secret apim/s" in caplog.text


@given(times)
def test_times_keep_their_microseconds_and_are_written_in_utc(at: datetime):
    text = write_time(at)
    assert read_time(text) == at
    assert len(text) == len("2029-12-24T12:00:00.123456Z")
    assert text.endswith("Z")

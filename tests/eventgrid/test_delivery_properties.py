"""Whatever is delivered: a meaning or a refusal comes out, and nothing else."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from rotator.eventgrid.delivery import Events, Handshake, Notice, Rejected, parse_delivery
from tests.eventgrid.builders import CLOUD, GRID, cloud, grid

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda v: (
        st.lists(v, max_size=4)
        | st.dictionaries(st.sampled_from([*cloud(), *grid()]) | st.text(), v, max_size=6)
    ),
    max_leaves=20,
)
headers = st.fixed_dictionaries(
    {
        "content-type": st.sampled_from([*GRID.values(), *CLOUD.values(), "application/json;;charset=;x"])
        | st.text()
    },
    optional={
        "aeg-event-type": st.sampled_from(["SubscriptionValidation", "SubscriptionDeletion"]) | st.text()
    },
)


def check(said: dict[str, str], raw: bytes) -> None:
    try:
        delivery = parse_delivery(said, raw)
    except Rejected as e:
        assert e.status in {400, 413, 415}
    else:
        assert isinstance(delivery, Handshake | Notice | Events)


@given(headers, json_values)
def test_any_json_is_a_delivery_or_rejected(said: dict[str, str], value: object) -> None:
    check(said, json.dumps(value).encode())


@given(headers, st.binary())
def test_any_bytes_are_a_delivery_or_rejected(said: dict[str, str], raw: bytes) -> None:
    check(said, raw)


@given(st.sampled_from([cloud, grid]), st.dictionaries(st.sampled_from([*cloud(), *grid()]), json_values))
def test_an_event_with_any_field_replaced_is_read_left_out_or_rejected(
    make: object, changes: dict[str, object]
) -> None:
    check(CLOUD, json.dumps(make(**changes)).encode())  # type: ignore[operator]
    check(CLOUD, json.dumps(cloud(data={"gatewayInfo": changes, "tokenInfo": changes})).encode())

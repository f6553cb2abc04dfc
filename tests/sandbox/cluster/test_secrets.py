import base64

import pytest

from tests.sandbox.cluster.conftest import secret

SECRET = "/api/v1/namespaces/default/secrets/settings"


def decoded(body):
    return {key: base64.b64decode(value).decode() for key, value in body.get("data", {}).items()}


async def test_string_data_wins_over_data(api, cluster):
    cluster.apply(secret(k="old"))

    patched = await api.merge(
        SECRET, {"data": {"k": "ZGF0YQ==", "l": "ZGF0YQ=="}, "stringData": {"k": "text"}}
    )

    assert decoded(patched.body) == {"k": "text", "l": "data"}


async def test_null_deletes_a_key_and_an_annotation(api, cluster):
    cluster.apply(secret(k="1", l="2"))
    await api.merge(SECRET, {"metadata": {"annotations": {"a": "1"}}})

    patched = await api.merge(
        SECRET, {"data": {"k": None}, "metadata": {"annotations": {"a": None, "b": None}}}
    )

    assert decoded(patched.body) == {"l": "2"}
    assert "annotations" not in patched.body["metadata"]


async def test_a_patch_to_data_that_is_not_base64_is_invalid(api, cluster):
    cluster.apply(secret(k="1"))

    refused = await api.merge(SECRET, {"data": {"k": "not base64!"}})

    assert (refused.status, refused.body["reason"]) == (422, "Invalid")
    assert "illegal base64 data" in refused.body["message"]
    assert "not base64!" in refused.body["message"]  # a real API server quotes the whole object


@pytest.mark.filterwarnings("ignore:Sending a large body")  # by aiohttp; this test needs the size
async def test_more_than_a_mebibyte_is_too_long(api, cluster):
    cluster.apply(secret(k="1"))
    fits = await api.merge(SECRET, {"stringData": {"k": "x" * 1024 * 1024}})

    refused = await api.merge(SECRET, {"stringData": {"k": "x" * (1024 * 1024 + 1)}})

    assert fits.status == 200
    assert (refused.status, refused.body["reason"]) == (422, "Invalid")
    assert refused.body["message"] == (
        'Secret "settings" is invalid: data: Too long: may not be more than 1048576 bytes'
    )


async def test_an_immutable_secret_cannot_change_nor_become_mutable(api, cluster):
    cluster.apply(secret(k="1") | {"immutable": True})

    changed = await api.merge(SECRET, {"stringData": {"k": "2"}})
    freed = await api.merge(SECRET, {"immutable": None})
    annotated = await api.merge(SECRET, {"metadata": {"annotations": {"a": "b"}}})

    assert [changed.status, freed.status, annotated.status] == [422, 422, 200]
    assert "field is immutable when `immutable` is set" in changed.body["message"]


async def test_the_vendors_own_patch_works(api, cluster):
    cluster.apply(secret(**{"config.service.auth.key": "GatewayKey old"}))
    value = base64.b64encode(b"GatewayKey new").decode()

    patched = await api.merge(SECRET, {"data": {"config.service.auth.key": value}})

    assert decoded(patched.body) == {"config.service.auth.key": "GatewayKey new"}

from __future__ import annotations

import pytest

from sandbox.azure import fingerprint
from sandbox.azure.gateway_pod import GatewayPods
from sandbox.cluster import Verdict

POD = {"metadata": {"namespace": "apim", "name": "gw-0", "uid": "1"}}


def how_to(token, gateway="oslo"):
    return {"gateway.name": gateway, "config.service.auth": "key", "config.service.auth.key": token}


@pytest.fixture
async def pods(cloud):
    pods = GatewayPods(cloud.azure)
    pods.endpoint = cloud.urls["configuration"]
    async with pods:
        yield pods


@pytest.fixture
def token(oslo, in_29_days):
    return oslo.mint("primary", in_29_days)


@pytest.mark.parametrize(
    "layout",
    [
        lambda token: how_to(f"GatewayKey {token}"),
        lambda token: {"config.service.auth": f"GatewayKey {token}"},
        lambda token: {
            "config.service.auth": f"GatewayKey {token}",
            "config.service.endpoint": "https://contoso.configuration.azure-api.net",
        },
    ],
    ids=["how-to", "portal", "elsewhere"],
)
async def test_each_layout_authenticates_over_http(pods, cloud, token, in_29_days, layout):
    assert await pods.start(POD, layout(token)) == Verdict.READY
    (auth,) = pods.latest()
    assert (auth.namespace, auth.name, auth.gateway, auth.ok) == ("apim", "gw-0", "oslo", True)
    assert (auth.fingerprint, auth.expires_at) == (fingerprint(token), in_29_days)
    assert [(attempt.pod, attempt.ok) for attempt in cloud.azure.authentications] == [("gw-0", True)]
    assert pods.answer("apim", "gw-0") == (200, b'{"api":"echo"}')


@pytest.mark.parametrize(
    "environment",
    [
        how_to("GatewayKey oslo&203001020304&bm90IHJlYWw="),
        how_to("nonsense"),
        how_to("two\nlines"),
        how_to(""),
        {"config.service.endpoint": "https://contoso.configuration.azure-api.net"},
    ],
    ids=["forged", "nonsense", "two lines", "empty", "no setting"],
)
async def test_with_a_bad_token_a_pod_is_ready_and_answers_200_with_an_empty_body(pods, oslo, environment):
    assert await pods.start(POD, environment) == Verdict.READY
    assert [auth.ok for auth in pods.latest()] == [False]
    assert pods.answer("apim", "gw-0") == (200, b"")


async def test_a_bare_token_does_not_work_where_the_setting_is_the_header_itself(pods, token):
    await pods.start(POD, {"config.service.auth": token, "gateway.name": "oslo"})
    assert [auth.ok for auth in pods.latest()] == [False]


async def test_a_strict_gateway_keeps_a_pod_with_a_bad_token_from_getting_ready(pods, oslo):
    oslo.strict = True
    assert await pods.start(POD, how_to("nonsense")) == Verdict.NEVER_READY


async def test_a_running_pod_keeps_serving_when_its_token_dies_but_no_longer_authenticates(pods, oslo, token):
    await pods.start(POD, how_to(token))
    oslo.regenerate("primary")
    (auth,) = await pods.authenticate_all()
    assert not auth.ok
    assert auth.fingerprint == fingerprint(token)
    assert pods.answer("apim", "gw-0") == (200, b'{"api":"echo"}')


async def test_a_pod_that_is_gone_is_forgotten(pods, token):
    await pods.start(POD, how_to(token))
    await pods.stop(POD)
    assert await pods.authenticate_all() == []
    assert pods.answer("apim", "gw-0") is None


@pytest.mark.parametrize("environment", [{}, {"PATH": "/bin"}, {"config.service.auth": "workloadIdentity"}])
async def test_pods_without_a_token_are_ignored(pods, environment):
    assert await pods.start(POD, environment) == Verdict.READY
    assert pods.latest() == []


async def test_the_token_is_in_no_repr(pods, token):
    await pods.start(POD, how_to(token))
    assert token not in repr(pods.latest()) + repr(vars(pods))

"""What Azure may answer, and what the rotator makes of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from rotator.azure import Arm, ArmIssuer
from rotator.config import AzureSettings
from rotator.core.records import Key
from rotator.errors import Refused, RotatorError, Unavailable
from sandbox import serve, tls
from tests.azure.conftest import Cloud

GENERATE = "Microsoft.ApiManagement/service/gateways/generateToken/action"


async def test_too_many_requests_say_how_long_to_wait(
    cloud: Cloud, issuer: ArmIssuer, in_ten_days: datetime
) -> None:
    cloud.azure.throttle(writes=(1, 0.1))
    await issuer.issue(Key.PRIMARY, in_ten_days)

    with pytest.raises(
        Unavailable,
        match=r"Azure Resource Manager limits the number of requests \(429\).*SubscriptionRequestsThrottled",
    ) as caught:
        await issuer.issue(Key.PRIMARY, in_ten_days)

    assert caught.value.retry_after is not None
    assert timedelta(seconds=8) < caught.value.retry_after <= timedelta(seconds=10)
    assert cloud.calls() == 2, "the SDK does not wait and try again by itself"


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_a_fault_of_azure_will_pass(
    cloud: Cloud, issuer: ArmIssuer, in_ten_days: datetime, status: int
) -> None:
    cloud.faults.add(server="arm", action="status", status=status, retry_after=7, times=None)

    with pytest.raises(Unavailable) as caught:
        await issuer.issue(Key.PRIMARY, in_ten_days)

    assert caught.value.retry_after == timedelta(seconds=7)
    assert cloud.calls() == 1, "no retries inside the SDK"


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_cut_connection_will_pass(
    cloud: Cloud, issuer: ArmIssuer, in_ten_days: datetime, when: str
) -> None:
    cloud.faults.add(server="arm", action="reset", when=when)

    with pytest.raises(Unavailable, match="the connection broke before an answer arrived"):
        await issuer.issue(Key.PRIMARY, in_ten_days)

    assert (await issuer.issue(Key.PRIMARY, in_ten_days)).expires_at == in_ten_days


@pytest.mark.parametrize("server", ["arm", "identity"])
async def test_silence_ends_after_the_time_allowed(cloud: Cloud, in_ten_days: datetime, server: str) -> None:
    cloud.faults.add(server=server, action="hang")
    async with await Arm.connect(cloud.settings, cloud.identity_env, timedelta(seconds=0.3)) as arm:
        with pytest.raises(Unavailable, match=r"did not issue a token .* within 0.3 s"):
            await arm.generate_token(cloud.resource, Key.PRIMARY, in_ten_days)


async def test_a_slow_answer_is_an_answer(cloud: Cloud, issuer: ArmIssuer, in_ten_days: datetime) -> None:
    cloud.faults.add(server="arm", action="latency", seconds=0.3)

    assert (await issuer.issue(Key.PRIMARY, in_ten_days)).expires_at == in_ten_days


async def test_a_closed_port_cannot_be_reached(cloud: Cloud) -> None:
    async with serve.serving({"gone": cloud.azure.identity}, {}) as urls:
        closed = urls["gone"].replace("http:", "https:")
    settings = AzureSettings(endpoint=closed)
    async with await Arm.connect(settings, cloud.identity_env) as arm:
        with pytest.raises(Unavailable, match="cannot be reached"):
            await arm.preflight(cloud.resource)


async def test_an_untrusted_certificate_is_said_to_be_one(cloud: Cloud, tmp_path: Path) -> None:
    other_ca = tls.create(tmp_path / "other").ca
    settings = cloud.settings.model_copy(update={"ca_file": other_ca})
    async with await Arm.connect(settings, cloud.identity_env) as arm:
        with pytest.raises(Unavailable, match=r"certificate is not trusted.*ca_file"):
            await arm.preflight(cloud.resource)


async def test_a_missing_permission_is_named(cloud: Cloud, issuer: ArmIssuer, in_ten_days: datetime) -> None:
    cloud.azure.denied.add(GENERATE)

    with pytest.raises(Refused, match=r"may not issue a token.*AuthorizationFailed") as caught:
        await issuer.issue(Key.PRIMARY, in_ten_days)

    assert f"Grant its identity the action {GENERATE} on {cloud.gateway.resource_id}" in caught.value.remedy


async def test_proving_names_the_permissions_that_are_missing(cloud: Cloud, connected: Arm) -> None:
    cloud.azure.denied.add("Microsoft.ApiManagement/service/gateways/read")

    with pytest.raises(Refused) as caught:
        await connected.preflight(cloud.resource)

    assert "Microsoft.ApiManagement/service/gateways/read" in caught.value.remedy
    assert GENERATE in caught.value.remedy


async def test_proving_a_gateway_that_is_there_issues_nothing(cloud: Cloud, connected: Arm) -> None:
    await connected.preflight(cloud.resource)

    assert cloud.calls() == 0
    assert len(cloud.journal.calls(server="arm", method="GET")) == 1


async def test_an_empty_answer_proves_nothing(cloud: Cloud, connected: Arm) -> None:
    cloud.faults.add(server="arm", action="status", status=200, body="")

    with pytest.raises(Unavailable, match="its answer is empty"):
        await connected.preflight(cloud.resource)


async def test_a_gateway_that_does_not_exist_is_refused_by_name(cloud: Cloud, connected: Arm) -> None:
    cloud.gateway.name = "atlantis"

    with pytest.raises(Refused, match=r"no such gateway.*ResourceNotFound.*gateway atlantis"):
        await connected.preflight(cloud.resource)


async def test_a_rejected_credential_is_refused(
    cloud: Cloud, issuer: ArmIssuer, in_ten_days: datetime
) -> None:
    await issuer.issue(Key.PRIMARY, in_ten_days)
    cloud.azure.identity.forget()

    with pytest.raises(
        Refused,
        match=r"Azure Resource Manager does not accept the rotator's own credential.*InvalidAuthenticationToken",
    ):
        await issuer.issue(Key.PRIMARY, in_ten_days)


def body(code: str, message: str = "Text.") -> str:
    return f'{{"error": {{"code": "{code}", "message": "{message}"}}}}'


@pytest.mark.parametrize(
    ("status", "code", "kind", "says"),
    [
        (400, "BadThing", Refused, "BadThing: Text"),
        (409, "Conflict", Unavailable, "busy with another change"),
        (409, "ReadOnlyDisabledSubscription", Refused, "ReadOnlyDisabledSubscription"),
        (412, "PreconditionFailed", Refused, "answered 412"),
        (302, "Found", Refused, "answered 302"),
    ],
)
async def test_other_answers_are_told_by_who_can_help(
    cloud: Cloud,
    issuer: ArmIssuer,
    in_ten_days: datetime,
    status: int,
    code: str,
    kind: type[RotatorError],
    says: str,
) -> None:
    cloud.faults.add(server="arm", action="status", status=status, body=body(code))

    with pytest.raises(kind, match=says):
        await issuer.issue(Key.PRIMARY, in_ten_days)


@pytest.mark.parametrize(
    "answer", ["", "<html>Bad Gateway</html>", "[1]", '{"error": "text"}', '{"error": null}']
)
async def test_an_error_in_no_form_at_all_is_still_understood(
    cloud: Cloud, issuer: ArmIssuer, in_ten_days: datetime, answer: str
) -> None:
    cloud.faults.add(server="arm", action="status", status=502, body=answer)

    with pytest.raises(Unavailable, match="answered 502"):
        await issuer.issue(Key.PRIMARY, in_ten_days)

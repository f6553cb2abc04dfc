"""One wrong line each, and the sentence it gets."""

from __future__ import annotations

import pytest

from tests.config.conftest import Errors, Write
from tests.configuration import NO_WEBHOOK, SMALLEST, gateway, target

NO_ID = "gateways[0].resource_id: is not the ARM id of a self-hosted gateway"
TOKEN = "oslo&203001020304&" + "QUJD" * 20


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('[azure]\ncloud = "moon"', 'azure.cloud: must be one of "public", "usgovernment" or "china". Write'),
        ('[azure]\nendpoint = "http://x"', "azure.endpoint: must be a plain https address"),
        ('[azure]\nendpoint = "https://a:b@x"', "azure.endpoint: must be a plain https address"),
        ('[azure]\nendpoint = "https://[x"', "azure.endpoint: must be a plain https address"),
        ("[azure]\nca_file = 3", "azure.ca_file: must be a path in quotes. Write ca_file ="),
        ('[azure]\nca_file = ""', "azure.ca_file: must not be empty. Write the path of a file, or leave"),
        ('[azure]\nclient_id = ""', 'azure.client_id: is not a GUID. Write it like "00000000-'),
        ('[azure]\ntenant_id = "contoso.example"', "azure.tenant_id: is not a GUID. Write it like"),
        (
            '[azure]\nclient_secret = "x"',
            "azure.client_secret: is not a known key. This file never holds secrets: set AZURE_CLIENT_SECRET",
        ),
        (
            "[azure]\nlisten = 1",
            "azure.listen: is not a known key here. It belongs in [webhook] or [internal]",
        ),
        ("[azure]\nclouds = 1", "azure.clouds: is not a known key. Did you mean cloud?"),
        ("[azure]\nzzz = 1", "azure.zzz: is not a known key. Known here: ca_file, client_id, cloud,"),
        ("azure = 3", "azure: must be a table. Write [azure] on a line of its own, and its keys below"),
        ("[azur]", "azur: is not a known key. Did you mean azure?"),
        ('[kubernetes]\nlease_duration = "2s"', 'kubernetes.lease_duration: must be at least "3s": a lease'),
        ('[kubernetes]\nlease_namespace = "A"', "kubernetes.lease_namespace: is not a valid name. Write"),
        ('[internal]\nlisten = "9090"', "internal.listen: is not an address to listen on. Write"),
        ('[internal]\nlisten = "x:99999"', "internal.listen: is not an address to listen on. Write"),
        ("[internal]\nlisten = 9090", "internal.listen: is not an address to listen on. Write"),
        ('[log]\nlevel = "loud"', "log.level: must be one of"),
        (
            "[rotation]\nmax_concurrent_rotations = 0",
            "rotation.max_concurrent_rotations: must be at least 1.",
        ),
        ("[rotation]\nmax_concurrent_rotations = 1.5", "rotation.max_concurrent_rotations: must be a whole"),
        ("[rotation]\nmax_concurrent_rotations = true", "rotation.max_concurrent_rotations: must be a whole"),
        ('[rotation]\nschedule_jitter = "-1m"', "rotation.schedule_jitter: must not be negative"),
        ('[defaults]\nrecheck = "0s"', "defaults.recheck: must be longer than zero"),
        ('[defaults]\nrecheck = "5"', "defaults.recheck: is not a duration. Write a number and a unit"),
        ('[defaults]\nrecheck = "9999999999d"', "defaults.recheck: is not a duration"),
        ('[defaults]\nrecheck = "367d"', "defaults.recheck: must not be longer than a year"),
        ('[defaults]\ntoken_lifetime = "30d"', "defaults.token_lifetime: must be shorter than 30 days"),
        ('[defaults]\nrevoke = "sometimes"', 'defaults.revoke: must be one of "never"'),
        ('[defaults]\nname = "x"', "defaults.name: is not a known key here. It belongs in [[gateways]]"),
    ],
)
def test_a_wrong_line_says_what_to_write(errors: Errors, text: str, line: str) -> None:
    (found,) = errors(f"{text}\n{SMALLEST}")

    assert found.startswith(line)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('body_timeout = "30s"', 'webhook.body_timeout: must be shorter than "30s"'),
        ("allowed_origins = []", "webhook.allowed_origins: must not be empty. Write allowed_origins ="),
        ('allowed_origins = "x"', "webhook.allowed_origins: must be a list. Write allowed_origins ="),
        ('allow_unauthenticated = "yes"', "webhook.allow_unauthenticated: must be true or false"),
        (
            'secret = "x"',
            "webhook.secret: is not a known key. This file never holds secrets: write them into",
        ),
        ("entra = 3", "webhook.entra: must be a table. Write [webhook.entra] on a line of its own"),
    ],
)
def test_a_wrong_line_of_the_webhook_says_so(errors: Errors, text: str, line: str) -> None:
    (found,) = errors(f"{NO_WEBHOOK}{text}\n{gateway()}")

    assert found.startswith(line)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ('name = "oslo"', 'name = "Oslo"', "gateways[0].name: is not a valid name. Write at most 40"),
        ('name = "oslo"', f'name = "{"x" * 41}"', "gateways[0].name: is not a valid name"),
        ('name = "oslo"', "", "gateways[0].name: is missing. Write name ="),
        (
            "/gateways/oslo",
            "",
            "gateways[0].resource_id: is not the ARM id of a self-hosted gateway: it ends before gateways. Write",
        ),
        ("00000000-", "x", f"{NO_ID}: the subscription is not a GUID. Write /subscriptions/<subscription>/"),
        (
            "/resourceGroups/gateways/",
            "/resourceGroups//",
            f"{NO_ID}: the name after resourceGroups is not valid",
        ),
        ("/contoso/", "/-contoso/", f"{NO_ID}: the name after service is not valid"),
        ("Microsoft.ApiManagement", "Microsoft.Api", f"{NO_ID}: Microsoft.ApiManagement is missing or"),
        ("/gateways/oslo", "/gateways/oslo/keys", f"{NO_ID}: it continues after the gateway's name. Write"),
        ("/subscriptions/", "https://portal.azure.com/#/subscriptions/", f"{NO_ID}. Write /subscriptions/"),
        (
            "[[gateways.targets]]",
            'secret = "x"\n[[gateways.targets]]',
            "gateways[0].secret: is not a known key here. It belongs in [[gateways.targets]]",
        ),
        ("[[gateways.targets]]", "[[gateways.target]]", "gateways[0].targets: is missing. Write [[gateways"),
        ('secret = "', 'secret = "A', "gateways[0].targets[0].secret: is not a name of a Kubernetes object"),
        ('secret = "', 'key = "a b"\nsecret = "', "gateways[0].targets[0].key: is not a key of a Secret"),
        ('secret = "', 'workloads = []\nsecret = "', "gateways[0].targets[0].workloads: must not be empty"),
        (
            'secret = "',
            'workloads = ["x"]\nsecret = "',
            "gateways[0].targets[0].workloads[0]: is not a workload",
        ),
        (
            'secret = "',
            'workloads = [3]\nsecret = "',
            "gateways[0].targets[0].workloads[0]: is not a workload",
        ),
    ],
)
def test_a_wrong_line_of_a_gateway_says_which_one(errors: Errors, old: str, new: str, line: str) -> None:
    assert any(found.startswith(line) for found in errors(SMALLEST.replace(old, new, 1)))


def test_a_single_table_of_gateways_is_said_to_be_a_list(errors: Errors) -> None:
    (found,) = errors(NO_WEBHOOK + "[gateways]\n")

    assert found == "gateways: must be a list. Write [[gateways]] with a name, a resource_id and targets"


@pytest.mark.parametrize(
    ("defaults", "own", "path"),
    [
        ('token_lifetime = "5d"', "", "defaults.token_lifetime"),
        ('renew_before = "29d"', "", "defaults.renew_before"),
        ('panic_before = "10d"', "", "defaults.panic_before"),
        ("", 'renew_before = "1d"', "gateways[0].renew_before"),
        ('renew_before = "3d"', 'panic_before = "3d"', "gateways[0].panic_before"),
        ('token_lifetime = "12d"', 'renew_before = "11d23h58m"', "gateways[0].renew_before"),
    ],
)
def test_times_that_do_not_fit_together_are_told_where_they_are_written(
    errors: Errors, defaults: str, own: str, path: str
) -> None:
    (found,) = errors(f"[defaults]\n{defaults}\n{NO_WEBHOOK}{gateway('oslo', own)}")

    assert found.startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("own", "said"),
    [
        (
            'renew_before = "29d"',
            (
                "renew_before: must be 5m or more shorter than token_lifetime (29d): it is 29d, and tokens would "
                'be replaced without end. Write renew_before = "9d"'
            ),
        ),
        (
            'token_lifetime = "5d"',
            (
                "token_lifetime: must be 5m or more longer than renew_before (10d): it is 5d, and tokens would "
                'be replaced without end. Write renew_before = "1d"'
            ),
        ),
        (
            'panic_before = "10d1h"',
            'panic_before: must be shorter than renew_before (10d): it is 10d1h. Write panic_before = "2d"',
        ),
        (
            'renew_before = "36h"',
            'renew_before: must be longer than panic_before (2d): it is 1d12h. Write panic_before = "7h"',
        ),
        (
            'revoke_after = "20d"',
            (
                "revoke_after: must be shorter than token_lifetime - renew_before (19d): it is 20d, and the next "
                'token would come first. Write revoke_after = "9d"'
            ),
        ),
    ],
)
def test_times_that_do_not_fit_are_told_as_they_are_written_with_one_that_does(
    errors: Errors, settings: Write, own: str, said: str
) -> None:
    (found,) = errors(NO_WEBHOOK + gateway("oslo", own))

    assert found == f"gateways[0].{said} (gateway oslo)"
    key, remedy = own.partition(" ")[0], said.rpartition("Write ")[2]
    lines = remedy if remedy.startswith(key) else f"{own}\n{remedy}"
    if key == "token_lifetime":
        lines += '\npanic_before = "2h"'
    assert settings(NO_WEBHOOK + gateway("oslo", lines)).gateways


@pytest.mark.parametrize(
    ("jitter", "own", "room", "is_", "write"),
    [
        ('schedule_jitter = "8d"', "", "8d", "8d", "4d"),
        ('schedule_jitter = "3h"', 'panic_before = "9d22h"', "2h", "3h", "1h"),
        ("", 'token_lifetime = "1h"\nrenew_before = "30m"\npanic_before = "10m"', "20m", "30m", "10m"),
    ],
)
def test_renewals_are_not_spread_over_more_time_than_there_is(
    errors: Errors, settings: Write, jitter: str, own: str, room: str, is_: str, write: str
) -> None:
    rest = NO_WEBHOOK + gateway("bergen") + gateway("oslo", own)

    (found,) = errors(f"[rotation]\n{jitter}\n{rest}")

    assert found == (
        f"rotation.schedule_jitter: must be shorter than renew_before - panic_before ({room}): it is {is_}, "
        f'and renewals would begin too late. Write schedule_jitter = "{write}" under [rotation]'
    )
    assert settings(f'[rotation]\nschedule_jitter = "{write}"\n{rest}').gateways


@pytest.mark.parametrize("line", ["name", "resource_id", "namespace", "secret", "key", "workloads"])
def test_a_token_pasted_into_the_wrong_line_is_not_shown(errors: Errors, line: str) -> None:
    value = f'["{TOKEN}"]' if line == "workloads" else f'"{TOKEN}"'
    full = gateway(targets=target(more='key = "k"\nworkloads = ["ds/d"]'))
    text = "\n".join(f"{line} = {value}" if row.startswith(f"{line} =") else row for row in full.splitlines())

    assert TOKEN not in "".join(errors(NO_WEBHOOK + text))

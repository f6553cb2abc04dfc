"""One wrong line each, and the sentence it gets."""

from __future__ import annotations

import pytest

from tests.config.conftest import Mistakes
from tests.config.texts import NO_WEBHOOK, SMALLEST, gateway, target

TOKEN = "oslo&203001020304&" + "QUJD" * 20


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('[azure]\ncloud = "moon"', 'azure.cloud: must be one of "public", "usgovernment" or "china". Write'),
        ('[azure]\nendpoint = "http://x"', "azure.endpoint: must be a plain https address"),
        ('[azure]\nendpoint = "https://a:b@x"', "azure.endpoint: must be a plain https address"),
        ('[azure]\nendpoint = "https://[x"', "azure.endpoint: must be a plain https address"),
        ("[azure]\nca_file = 3", "azure.ca_file: must be a path in quotes. Write ca_file ="),
        ('[azure]\nclient_id = ""', "azure.client_id: must not be empty. Write client_id ="),
        ("[azure]\nclouds = 1", "azure.clouds: is no known key. Did you mean cloud?"),
        ("[azure]\nzzz = 1", "azure.zzz: is no known key. Known here: ca_file, client_id, cloud,"),
        ("azure = 3", "azure: must be a table"),
        ("[azur]", "azur: is no known key. Did you mean azure?"),
        ('[kubernetes]\nlease_duration = "2s"', 'kubernetes.lease_duration: must be at least "3s"'),
        ('[kubernetes]\nlease_namespace = "A"', "kubernetes.lease_namespace: is no valid name. Write"),
        ('[internal]\nlisten = "9090"', "internal.listen: is no address to listen on. Write"),
        ('[internal]\nlisten = "x:99999"', "internal.listen: is no address to listen on. Write"),
        ("[internal]\nlisten = 9090", "internal.listen: is no address to listen on. Write"),
        ('[log]\nlevel = "loud"', "log.level: must be one of"),
        (
            "[rotation]\nmax_concurrent_rotations = 0",
            "rotation.max_concurrent_rotations: must be at least 1.",
        ),
        ("[rotation]\nmax_concurrent_rotations = 1.5", "rotation.max_concurrent_rotations: must be a whole"),
        ("[rotation]\nmax_concurrent_rotations = true", "rotation.max_concurrent_rotations: must be a whole"),
        ('[rotation]\nschedule_jitter = "-1m"', "rotation.schedule_jitter: must not be negative"),
        ('[defaults]\nrecheck = "0s"', "defaults.recheck: must be longer than nothing"),
        ('[defaults]\nrecheck = "5"', "defaults.recheck: is no length of time. Write a number and a unit"),
        ('[defaults]\nrecheck = "9999999999d"', "defaults.recheck: is no length of time"),
        ('[defaults]\nrecheck = "367d"', "defaults.recheck: must not be longer than a year"),
        ('[defaults]\ntoken_lifetime = "30d"', "defaults.token_lifetime: must be shorter than 30 days"),
        ('[defaults]\nrevoke = "sometimes"', 'defaults.revoke: must be one of "never"'),
        ('[defaults]\nname = "x"', "defaults.name: is no known key"),
    ],
)
def test_a_wrong_line_says_what_to_write(mistakes: Mistakes, text: str, line: str) -> None:
    (found,) = mistakes(f"{text}\n{SMALLEST}")

    assert found.startswith(line)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('body_timeout = "30s"', 'webhook.body_timeout: must be shorter than "30s"'),
        ("allowed_origins = []", "webhook.allowed_origins: must not be empty. Write allowed_origins ="),
        ('allowed_origins = "x"', "webhook.allowed_origins: must be a list. Write allowed_origins ="),
        ('allow_unauthenticated = "yes"', "webhook.allow_unauthenticated: must be true or false"),
    ],
)
def test_a_wrong_line_of_the_webhook_says_so(mistakes: Mistakes, text: str, line: str) -> None:
    (found,) = mistakes(f"{NO_WEBHOOK}{text}\n{gateway()}")

    assert found.startswith(line)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ('name = "oslo"', 'name = "Oslo"', "gateways[0].name: is no valid name. Write at most 40"),
        ('name = "oslo"', f'name = "{"x" * 41}"', "gateways[0].name: is no valid name"),
        ('name = "oslo"', "", "gateways[0].name: is missing. Write name ="),
        (
            "/gateways/oslo",
            "",
            "gateways[0].resource_id: is not the ARM id of a self-hosted gateway. Write /s",
        ),
        ("00000000-", "x", "gateways[0].resource_id: is not the ARM id"),
        ("[[gateways.targets]]", "[[gateways.target]]", "gateways[0].targets: is missing. Write [[gateways"),
        ('secret = "', 'secret = "A', "gateways[0].targets[0].secret: is no name of a Kubernetes object"),
        ('secret = "', 'key = "a b"\nsecret = "', "gateways[0].targets[0].key: is no key of a Secret"),
        ('secret = "', 'workloads = []\nsecret = "', "gateways[0].targets[0].workloads: must not be empty"),
        (
            'secret = "',
            'workloads = ["x"]\nsecret = "',
            "gateways[0].targets[0].workloads[0]: is no workload",
        ),
        ('secret = "', 'workloads = [3]\nsecret = "', "gateways[0].targets[0].workloads[0]: is no workload"),
    ],
)
def test_a_wrong_line_of_a_gateway_says_which_one(mistakes: Mistakes, old: str, new: str, line: str) -> None:
    assert any(found.startswith(line) for found in mistakes(SMALLEST.replace(old, new, 1)))


def test_a_single_table_of_gateways_is_said_to_be_a_list(mistakes: Mistakes) -> None:
    (found,) = mistakes(NO_WEBHOOK + "[gateways]\n")

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
    mistakes: Mistakes, defaults: str, own: str, path: str
) -> None:
    (found,) = mistakes(f"[defaults]\n{defaults}\n{NO_WEBHOOK}{gateway('oslo', own)}")

    assert found.startswith(f"{path}: ")


@pytest.mark.parametrize("line", ["name", "resource_id", "namespace", "secret", "key", "workloads"])
def test_a_token_pasted_into_the_wrong_line_is_not_shown(mistakes: Mistakes, line: str) -> None:
    value = f'["{TOKEN}"]' if line == "workloads" else f'"{TOKEN}"'
    full = gateway(targets=target(more='key = "k"\nworkloads = ["ds/d"]'))
    text = "\n".join(f"{line} = {value}" if row.startswith(f"{line} =") else row for row in full.splitlines())

    assert TOKEN not in "".join(mistakes(NO_WEBHOOK + text))

"""[webhook]: who may deliver."""

from __future__ import annotations

import re
from ipaddress import ip_network
from pathlib import Path

import pytest

from rotator.config import Settings
from rotator.config.schema.entra import EntraSettings, expected
from tests.config.conftest import Errors, Write
from tests.configuration import gateway

TENANT = "00000000-0000-0000-0000-00000000000a"
SECRET = '[webhook]\nsecret_file = "secrets"\n'
ENTRA = f'[webhook.entra]\ntenant_id = "{TENANT}"\naudiences = ["api://x"]\n'


def read(settings: Write, text: str) -> Settings:
    return settings(text + gateway())


def test_a_file_of_secrets_alone_is_enough(settings: Write) -> None:
    webhook = read(settings, SECRET).webhook
    assert webhook.authenticated and webhook.secret_file is not None
    assert webhook.secret_file.name == "secrets"
    assert (webhook.secret_header, webhook.secret_query) == ("x-rotator-secret", "code")
    assert (webhook.max_rate, webhook.trusted_proxies, webhook.allowed_subscriptions) == (600, (), ())


def test_entra_alone_is_enough_and_both_may_be(settings: Write) -> None:
    entra = read(settings, ENTRA).webhook.entra
    assert entra is not None and (entra.tenant_id, entra.audiences) == (TENANT, ("api://x",))
    assert read(settings, SECRET + ENTRA).webhook.authenticated


@pytest.mark.parametrize(
    ("text", "ways"),
    [(SECRET, "secret_file"), ("[webhook]\n", "entra"), (SECRET, "secret_file and entra")],
)
def test_letting_everybody_in_contradicts_saying_who_may(errors: Errors, text: str, ways: str) -> None:
    table = ENTRA if "entra" in ways else ""
    (found,) = errors(f"{text}allow_unauthenticated = true\n{table}{gateway()}")
    assert found.startswith("webhook.allow_unauthenticated: would accept every client although " + ways)


def test_a_webhook_that_is_off_needs_no_authentication(settings: Write) -> None:
    assert not read(settings, "[webhook]\nenabled = false\n").webhook.authenticated


def test_another_error_in_the_table_hides_no_missing_authentication(errors: Errors) -> None:
    found = errors("[webhook]\nmax_rate = 0\n" + gateway())
    assert sorted(line.split(":")[0] for line in found) == [
        "webhook.allow_unauthenticated",
        "webhook.max_rate",
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("secret_file = 3", "webhook.secret_file: must be a path in quotes"),
        ('secret_header = "a b"', "webhook.secret_header: is not a name that a delivery property may have"),
        (
            'secret_header = "aeg-mine"',
            "webhook.secret_header: is not a name that a delivery property may have",
        ),
        ('secret_query = "a&b"', "webhook.secret_query: is not a plain name of a query parameter"),
        ('trusted_proxies = ["10.0.0.0/99"]', "webhook.trusted_proxies[0]: is not an address range"),
        ("trusted_proxies = [1.5]", "webhook.trusted_proxies[0]: is not an address range"),
        ("max_rate = 0", "webhook.max_rate: must be at least 1"),
        ('allowed_subscriptions = [""]', "webhook.allowed_subscriptions[0]: must not be empty"),
        ("entra = 3", "webhook.entra: must be a table"),
    ],
)
def test_a_wrong_line_says_what_to_write(errors: Errors, text: str, line: str) -> None:
    secret = "" if text.startswith("secret_file") else 'secret_file = "secrets"\n'
    (found,) = errors(f"[webhook]\n{secret}{text}\n{gateway()}")
    assert found.startswith(line)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (TENANT, "contoso.example", "webhook.entra.tenant_id: is not a GUID. Write it like"),
        (f'tenant_id = "{TENANT}"', "", "webhook.entra.tenant_id: is missing"),
        ('["api://x"]', "[]", "webhook.entra.audiences: must not be empty"),
        ('audiences = ["api://x"]', "", "webhook.entra.audiences: is missing"),
        ('["api://x"]', '["api://x"]\napp_id = "eventgrid"', "webhook.entra.app_id: is not a GUID"),
        (
            '["api://x"]',
            '["api://x"]\nauthority = "http://x"',
            "webhook.entra.authority: must be a plain https",
        ),
        (
            '["api://x"]',
            '["api://x"]\ntenant = "x"',
            "webhook.entra.tenant: is not a known key. Did you mean",
        ),
    ],
)
def test_a_wrong_line_about_entra_says_what_to_write(errors: Errors, old: str, new: str, line: str) -> None:
    (found,) = errors(ENTRA.replace(old, new) + gateway())
    assert found.startswith(line)


def test_in_china_event_grids_app_has_to_be_written(errors: Errors, settings: Write) -> None:
    china = '[azure]\ncloud = "china"\n'
    (found,) = errors(china + ENTRA + gateway())
    assert found.startswith("webhook.entra.app_id: is missing")
    entra = read(settings, f'{china}{ENTRA}app_id = "{TENANT}"\n').webhook.entra
    assert entra is not None and expected(entra, "china").app == TENANT


def test_addresses_are_networks_and_names_are_in_lower_case(settings: Write) -> None:
    text = SECRET + 'secret_header = "X-Mine"\ntrusted_proxies = ["10.1.2.3/8", "fd00::/8", "127.0.0.1"]\n'
    webhook = read(settings, text).webhook
    assert webhook.secret_header == "x-mine"
    assert webhook.trusted_proxies == tuple(map(ip_network, ("10.0.0.0/8", "fd00::/8", "127.0.0.1/32")))


@pytest.mark.parametrize(
    ("cloud", "keys", "issuers", "app"),
    [
        (
            "public",
            "https://login.microsoftonline.com",
            {f"https://sts.windows.net/{TENANT}/", f"https://login.microsoftonline.com/{TENANT}/v2.0"},
            "4962773b-9cdb-44cf-a8bf-237846a00ab7",
        ),
        (
            "usgovernment",
            "https://login.microsoftonline.us",
            {f"https://sts.windows.net/{TENANT}/", f"https://login.microsoftonline.us/{TENANT}/v2.0"},
            "54316b56-3481-47f9-8f30-0300f5542a7b",
        ),
    ],
)
def test_each_cloud_has_its_own_issuers_and_app(cloud: str, keys: str, issuers: set[str], app: str) -> None:
    entra = EntraSettings(tenant_id=TENANT.upper(), audiences=("x",))
    found = expected(entra, cloud)  # type: ignore[arg-type]
    assert found.keys_url == f"{keys}/{TENANT}/discovery/v2.0/keys"
    assert (set(found.issuers), found.app, found.tenant) == (issuers, app, TENANT)


def test_a_cloud_without_a_known_app_is_not_guessed_at() -> None:
    with pytest.raises(ValueError, match="app_id"):
        expected(EntraSettings(tenant_id=TENANT, audiences=("x",)), "china")


def test_a_secret_pasted_into_the_wrong_line_is_not_quoted(errors: Errors) -> None:
    secret = "an-invented-secret-1"
    (found,) = errors(f'[webhook]\nsecret_file = "s"\nsecret_header = "{secret} x"\n{gateway()}')
    assert secret not in found


@pytest.mark.parametrize("number", [0, 1])
def test_what_the_manual_shows_can_be_read(settings: Write, number: int) -> None:
    page = (Path(__file__).parents[3] / "docs" / "webhook.md").read_text()
    text = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)[number]
    for placeholder in ("<tenant>", "<app>"):
        text = text.replace(placeholder, TENANT)
    assert read(settings, text).webhook.authenticated

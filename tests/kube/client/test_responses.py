from __future__ import annotations

import json
from datetime import timedelta

import pytest

from rotator.errors import Conflict, Refused, Unavailable
from rotator.kube.client import paths
from rotator.kube.client.paths import Access
from rotator.kube.client.responses import NotFound, failure, parse
from tests.kube.objects import encoded, token

SECRET = Access.of("GET", paths.secret("apim", "s"))


def answer(status: int, message: str = "m", reason: str = "", headers=None, access=SECRET):
    body = json.dumps({"kind": "Status", "message": message, "reason": reason}).encode()
    return failure(status, headers or {}, body, access, "Secret apim/s")


@pytest.mark.parametrize(
    ("status", "kind"),
    [(404, NotFound), (409, Conflict), (403, Refused), (422, Refused), (400, Refused), (415, Refused)]
    + [(status, Unavailable) for status in (401, 408, 410, 429, 500, 502, 503, 504)],
)
def test_a_status_becomes_what_to_do_next(status, kind):
    assert type(answer(status)) is kind


@pytest.mark.parametrize(("header", "seconds"), [("7", 7), ("999999", 3600)])
def test_retry_after_is_passed_on(header, seconds):
    error = answer(429, headers={"Retry-After": header})
    assert isinstance(error, Unavailable)
    assert error.retry_after == timedelta(seconds=seconds)


@pytest.mark.parametrize("header", ["soon", "-1"])
def test_a_retry_after_that_says_nothing_usable_is_none(header):
    error = answer(503, headers={"Retry-After": header})
    assert isinstance(error, Unavailable)
    assert error.retry_after is None


@pytest.mark.parametrize(
    ("access", "rule"),
    [
        (SECRET, 'apiGroups [""], resources ["secrets"], resourceNames ["s"], verbs ["get"]'),
        (
            Access.of("PATCH", paths.workload("apim", "deployment/gw")),
            'apiGroups ["apps"], resources ["deployments"], resourceNames ["gw"], verbs ["patch"]',
        ),
        (Access.of("GET", paths.pods("apim")), 'apiGroups [""], resources ["pods"], verbs ["list"]'),
        (
            Access.of("GET", paths.pods("apim"), watching=True),
            'apiGroups [""], resources ["pods"], verbs ["watch"]',
        ),
        (
            Access.of("POST", paths.leases("apim")),
            'apiGroups ["coordination.k8s.io"], resources ["leases"], verbs ["create"]',
        ),
    ],
)
def test_a_missing_right_is_named_as_the_rule_to_add(access, rule):
    error = answer(403, 'secrets "s" is forbidden: User "x" cannot get resource "secrets"', access=access)
    assert isinstance(error, Refused)
    assert rule in error.remedy
    assert "Role in namespace apim" in error.remedy


def test_an_admission_rule_is_not_mistaken_for_a_missing_right():
    error = answer(403, 'admission webhook "policy" denied the request: no')
    assert isinstance(error, Refused)
    assert "admission webhook" in str(error)
    assert "Grant" not in error.remedy


def test_what_the_server_says_is_cleaned_of_values():
    said = f'invalid value "{token()}" |{encoded(token())}| in Secret'
    text = str(answer(422, said))
    assert "in Secret" in text
    assert token() not in text
    assert encoded(token()) not in text


def test_a_body_that_is_no_status_is_not_quoted():
    error = failure(500, {}, b"<html>" + token().encode(), SECRET, "Secret apim/s")
    assert str(error) == "Secret apim/s: HTTP status 500 (500)"


@pytest.mark.parametrize("body", [b"<html>", b"[1]", b'"x"'])
def test_an_answer_that_is_no_object_comes_from_something_else(body):
    with pytest.raises(Unavailable, match="does not come from a Kubernetes API server"):
        parse(body, "Secret apim/s")


def test_a_refusal_that_quotes_the_whole_secret_is_told_without_its_values():
    """As a real API server answers a patch that makes an object unreadable (1.36, measured)."""
    value = encoded(f"GatewayKey {token()}")
    quoted = f'unable to decode: {{"data":{{"config.service.auth.key":"{value}"}},"kind":"Secret"}}'
    error = answer(422, quoted, "Invalid")
    assert isinstance(error, Refused) and "unable to decode" in str(error)
    assert value not in str(error) and value[8:60] not in str(error)

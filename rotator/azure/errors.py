"""Turns what the Azure SDK raises into errors named by what to do next."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar
from urllib.parse import urlsplit

from aiohttp import ClientConnectorCertificateError, ClientConnectorError, ClientSSLError
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    DecodeError,
    DeserializationError,
    HttpResponseError,
)

from rotator.config import ResourceId
from rotator.diagnostics import causes
from rotator.errors import Refused, RotatorError, Unavailable
from rotator.redaction import redact
from rotator.retry import parse_retry_after

T = TypeVar("T")

_CONFLICTS = {
    "MissingSubscriptionRegistration": (
        "Register the provider: az provider register --namespace Microsoft.ApiManagement"
    ),
    "ReadOnlyDisabledSubscription": "The subscription is disabled: ask its owner to enable it",
}
"""The remedies of conflicts that last. Other 409 answers pass by themselves."""
_IDENTITY_PATHS = ("/metadata/identity/oauth2/token", "/msi/token")
"""Where the SDK asks for the token of a managed identity."""
_NO_CREDENTIAL = "the rotator has no credential to sign in with"
_MAX_TEXT = 500
"""Characters of Azure's own message that an error quotes."""


class CredentialRejected(Refused):
    """Azure does not accept the rotator's own credential."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call. what: follows "Azure could not" in errors. action: the permission that it needs."""

    what: str
    action: str
    resource: ResourceId


async def ask(call: Call, answer: Awaitable[T], within: timedelta) -> T:
    """Return Azure's answer.

    The SDK's exception is chained only if it cannot quote an answer's body, which may be a token.

    Raises:
        Unavailable: no answer, a passing fault, or too many requests.
        Refused: the operator has to change something first.
    """
    try:
        async with asyncio.timeout(within.total_seconds()):
            return await answer
    except TimeoutError:
        seconds = within.total_seconds()
        problem: RotatorError = Unavailable(f"Azure did not {call.what} within {seconds:g} s")
        cause: Exception | None = None
    except HttpResponseError as error:
        problem, cause = _answered(call, error), None
    except (DeserializationError, ValueError, zlib.error):  # the SDK lets what decoders raise through
        problem, cause = _unreadable(call), None
    except (AzureError, OSError) as error:
        problem, cause = _unanswered(call, error), error
    raise problem from cause


def _answered(call: Call, error: HttpResponseError) -> RotatorError:
    status = error.status_code or 0
    if isinstance(error, DecodeError) and status < 400:
        return _unreadable(call)
    if status in (408, 429) or status >= 500:
        said = "limits the number of requests (429)" if status == 429 else f"answered {status}"
        return Unavailable(
            f"Azure could not {call.what}: {_server(error)} {said}{_said(error)}", retry_after(error)
        )
    if isinstance(error, ClientAuthenticationError):
        return _rejected(call, error)
    return _refused(call, status, error)


def _refused(call: Call, status: int, error: HttpResponseError) -> RotatorError:
    said = _said(error)
    if status == 403:
        return Refused(
            f"the rotator may not {call.what}{said}",
            f"Grant its identity the action {call.action} on {call.resource}, "
            "for example with a custom role; a new grant takes some minutes to work",
        )
    if status == 404:
        return Refused(
            f"Azure could not {call.what}: there is no such gateway, or the rotator may not read it{said}",
            f"Check resource_id ({call.resource}): subscription, resource group, service "
            f"{call.resource.service} and gateway {call.resource.gateway}",
        )
    if status == 409 and (remedy := _CONFLICTS.get(_code(error))):
        return Refused(f"Azure could not {call.what}{said}", remedy)
    if status == 409:
        return Unavailable(
            f"Azure could not {call.what}: the service is busy with another change{said}",
            retry_after(error),
        )
    return Refused(
        f"Azure could not {call.what}: it answered {status}{said}",
        f"Check that {call.resource} is a self-hosted gateway and that the service is running",
    )


def _rejected(call: Call, error: ClientAuthenticationError) -> CredentialRejected:
    """Entra ID or ARM does not accept the credential, or the credential has no token to send (no status)."""
    said = _said(error) or f" ({_shown(str(error.message).partition('Content:')[0])})"
    asked = getattr(error.response, "request", None) is not None
    refusal = f"{_server(error)} does not accept the rotator's own credential" if asked else _NO_CREDENTIAL
    return CredentialRejected(
        f"Azure could not {call.what}: {refusal}{said}",
        "Check credential, tenant_id and client_id under [azure] and the AZURE_* variables",
    )


def _unreadable(call: Call) -> Unavailable:
    return Unavailable(
        f"Azure could not {call.what}: the answer does not come from Azure. Check for a proxy in between"
    )


def _unanswered(call: Call, error: BaseException) -> RotatorError:
    """Return an error for a call without an answer. Its outcome is unknown."""
    if isinstance(error, FileNotFoundError | PermissionError):
        return Refused(
            f"Azure could not {call.what}: {error.filename} cannot be read",
            "Check AZURE_FEDERATED_TOKEN_FILE and the volume that holds the projected token",
        )
    return Unavailable(f"Azure could not {call.what}: {connection_problem(error)}")


def connection_problem(error: BaseException) -> str:
    """Return why there was no answer, and of which host. aiohttp's exception is a cause of the SDK's."""
    for cause in causes(error):
        if isinstance(cause, ClientConnectorCertificateError | ClientSSLError):
            return (
                f"the server's certificate is not trusted ({cause.host}). If a proxy opens TLS, or the "
                "endpoint has a CA of its own, write ca_file under [azure]"
            )
        if isinstance(cause, ClientConnectorError):
            return f"{cause.host} cannot be reached"
    return "the connection broke before an answer arrived"


def retry_after(error: HttpResponseError) -> timedelta | None:
    """Return how long the answer asks to wait, if it does."""
    return parse_retry_after(getattr(error.response, "headers", {}))


def _server(error: HttpResponseError) -> str:
    """Return who answered: signing in fails in other ways than ARM does."""
    request = getattr(error.response, "request", None)
    path = urlsplit(str(getattr(request, "url", ""))).path
    if path.endswith("/oauth2/v2.0/token"):
        return "Microsoft Entra ID"
    return "the managed identity endpoint" if path.endswith(_IDENTITY_PATHS) else "Azure Resource Manager"


def _code(error: HttpResponseError) -> str:
    return getattr(error.error, "code", None) or ""


def _said(error: HttpResponseError) -> str:
    """Return what ARM says of an error: `{"error": {"code", "message", "details": [...]}}`, nothing else."""
    if error.error is None:
        return ""
    parts = [error.error, *(error.error.details or [])]
    texts = [": ".join(str(text) for text in (part.code, part.message) if text) for part in parts]
    return f" ({_shown('; '.join(texts))})" if any(texts) else ""


def _shown(text: str) -> str:
    """Return text in one line, cut, and without anything that looks like a credential."""
    return redact(" ".join(text.split()))[:_MAX_TEXT].rstrip(". ")

"""Turns an answer of the API server into an object, or into an error named by what to do next.

Errors never quote the body of a request, and quote the server's message without what looks like a value.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rotator.errors import Conflict, Refused, RotatorError, Unavailable
from rotator.kube.client.paths import Access
from rotator.redaction import redact_quoted
from rotator.retry import parse_retry_after

Json = dict[str, Any]


class NotFound(RotatorError):  # noqa: N818 - as HTTP names it
    """The object does not exist."""


class EvictionBlocked(Unavailable):
    """A PodDisruptionBudget does not allow an eviction now."""


def parse(body: bytes, what: str) -> Json:
    """Return the JSON object in body; an empty body is an empty object.

    Raises:
        Unavailable: it is not a JSON object: a proxy answered instead of the API server.
    """
    try:
        found = json.loads(body) if body else {}
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Unavailable(f"{what}: the answer does not come from a Kubernetes API server")
    return found


def failure(status: int, headers: Mapping[str, str], body: bytes, access: Access, what: str) -> RotatorError:
    """Return the error for an answer with a status of 300 or above."""
    details = _status(body)
    reason = str(details.get("reason") or "")
    message = redact_quoted(str(details.get("message") or f"HTTP status {status}"))
    if status == 404:
        return NotFound(f"{what} does not exist ({message})")
    if status == 409:
        return Conflict(f"{what}: {'already exists' if reason == 'AlreadyExists' else message}")
    if status == 403:
        return _forbidden(message, access, what)
    if status == 401:
        return Unavailable(f"{what}: the Kubernetes API rejected this process's credentials (401)")
    if budget := _budget_message(details):
        return EvictionBlocked(f"{what} cannot be evicted now: {budget}", parse_retry_after(headers))
    if status in {408, 410, 429} or status >= 500:
        return Unavailable(f"{what}: {message} ({status})", parse_retry_after(headers))
    return Refused(
        f"{what}: the Kubernetes API refused the request ({status}): {message}",
        f"Correct {what} as the message says.",
    )


def _forbidden(message: str, access: Access, what: str) -> Refused:
    """The message of RBAC is `User "x" cannot get resource "secrets" …`; others: admission or quota."""
    if "cannot" in message and "resource" in message:
        return Refused(f"this process may not {access.verb} {what}", access.remedy)
    return Refused(
        f"{what}: {message}", "An admission rule or a quota forbids it: ask the administrator of the cluster."
    )


def _budget_message(status: Json) -> str:
    """Return why a PodDisruptionBudget forbids an eviction; empty: none does.

    Source: kubernetes/pkg/registry/core/pod/storage/eviction.go: 429 with a cause DisruptionBudget; 500 if
    several budgets select the pod, which is not supported.
    """
    message = str(status.get("message") or "")
    if status.get("code") == 500 and "more than one PodDisruptionBudget" in message:
        return redact_quoted(message)
    details = status.get("details")
    causes = details.get("causes") if isinstance(details, dict) else None
    listed = [cause for cause in causes if isinstance(cause, dict)] if isinstance(causes, list) else []
    reasons = [
        str(cause.get("message") or "") for cause in listed if cause.get("reason") == "DisruptionBudget"
    ]
    return redact_quoted("; ".join(reasons) or message) if reasons else ""


def _status(body: bytes) -> Json:
    try:
        status = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return status if isinstance(status, dict) and status.get("kind") == "Status" else {}

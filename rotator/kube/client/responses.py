"""What an answer of the API server means: an object, or an error named by what to do next.

Bodies that were sent are never quoted, and what the server says is cleaned of what looks like a value.
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


class NotFound(RotatorError):  # noqa: N818 - named by what it is, as HTTP names it
    """The object does not exist."""


class Withheld(Unavailable):
    """A PodDisruptionBudget does not allow an eviction now."""


def parse(body: bytes, what: str) -> Json:
    """Return the JSON object in body; an empty body is an empty object.

    Raises:
        Unavailable: it is something else: a proxy answers in the API server's stead.
    """
    try:
        found = json.loads(body) if body else {}
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Unavailable(f"{what}: something that is no Kubernetes API server answered")
    return found


def failure(status: int, headers: Mapping[str, str], body: bytes, access: Access, what: str) -> RotatorError:
    """Return the error that an answer of 300 or above stands for."""
    told = _status(body)
    reason = str(told.get("reason") or "")
    message = redact_quoted(str(told.get("message") or f"HTTP status {status}"))
    if status == 404:
        return NotFound(f"{what} does not exist ({message})")
    if status == 409:
        return Conflict(f"{what}: {'it exists already' if reason == 'AlreadyExists' else message}")
    if status == 403:
        return _forbidden(message, access, what)
    if status == 401:
        return Unavailable(f"{what}: the Kubernetes API does not accept this process's credentials (401)")
    if budget := _budget(told):
        return Withheld(f"{what} may not be evicted now: {budget}", parse_retry_after(headers))
    if status in {408, 410, 429} or status >= 500:
        return Unavailable(f"{what}: {message} ({status})", parse_retry_after(headers))
    return Refused(
        f"{what}: the Kubernetes API refused the request ({status}): {message}",
        f"Mend {what} as the message says.",
    )


def _forbidden(message: str, access: Access, what: str) -> Refused:
    """RBAC says `User "x" cannot get resource "secrets" …`; anything else is an admission rule or a quota."""
    if "cannot" in message and "resource" in message:
        return Refused(f"this process may not {access.verb} {what}", access.remedy)
    return Refused(f"{what}: {message}", "A rule of the cluster forbids it: ask who runs the cluster.")


def _budget(told: Json) -> str:
    """Return what a PodDisruptionBudget says against an eviction; empty: none does.

    Source: kubernetes/pkg/registry/core/pod/storage/eviction.go: 429 with a cause DisruptionBudget; 500 if
    several budgets select the pod, which is not supported.
    """
    message = str(told.get("message") or "")
    if told.get("code") == 500 and "more than one PodDisruptionBudget" in message:
        return redact_quoted(message)
    details = told.get("details")
    causes = details.get("causes") if isinstance(details, dict) else None
    listed = [cause for cause in causes if isinstance(cause, dict)] if isinstance(causes, list) else []
    said = [str(cause.get("message") or "") for cause in listed if cause.get("reason") == "DisruptionBudget"]
    return redact_quoted("; ".join(said) or message) if said else ""


def _status(body: bytes) -> Json:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) and told.get("kind") == "Status" else {}

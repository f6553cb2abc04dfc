"""Refusals with the texts of a real API server: an HTTP code and a `Status` body.

Source of the texts: k8s.io/apimachinery `api/errors` and `util/validation/field`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from sandbox.cluster.resources import Resource
from sandbox.common import Json

MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


class ApiError(Exception):
    """A refused request; `body` is the answer's body."""

    def __init__(self, code: int, reason: str, message: str, details: Json | None = None) -> None:
        super().__init__(message)
        self.code, self.reason, self.message, self.details = code, reason, message, details

    @property
    def body(self) -> Json:
        status: Json = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            status["reason"] = self.reason
        if self.details is not None:
            status["details"] = self.details
        return status | {"code": self.code}


def _details(resource: Resource, name: str, *, kind: str | None = None) -> Json:
    group = {"group": resource.group} if resource.group else {}
    return ({"name": name} if name else {}) | group | {"kind": kind or resource.plural}


def success(resource: Resource, name: str, uid: str) -> Json:
    """Return the answer to a DELETE that removed the object at once."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": _details(resource, name) | {"uid": uid},
    }


def not_found(resource: Resource, name: str) -> ApiError:
    message = f'{resource.qualified} "{name}" not found'
    return ApiError(404, "NotFound", message, _details(resource, name))


def already_exists(resource: Resource, name: str) -> ApiError:
    message = f'{resource.qualified} "{name}" already exists'
    return ApiError(409, "AlreadyExists", message, _details(resource, name))


def conflict(resource: Resource, name: str, why: str = MODIFIED) -> ApiError:
    message = f'Operation cannot be fulfilled on {resource.qualified} "{name}": {why}'
    return ApiError(409, "Conflict", message, _details(resource, name))


def unmet(resource: Resource, name: str, label: str, wanted: str, known: str) -> ApiError:
    """409: a precondition (`label` is UID or ResourceVersion) of an update failed."""
    why = f"Precondition failed: {label} in precondition: {wanted}, {label} in object meta: {known}"
    return conflict(resource, name, why)


def unmet_deletion(resource: Resource, name: str, label: str, wanted: str, known: str) -> ApiError:
    """409: a precondition of a deletion failed. Another text, with the kind instead of the resource."""
    kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    happened = "deleted and then recreated" if label == "UID" else "modified"
    message = (
        f'Operation cannot be fulfilled on {kind} "{name}": the {label} in the precondition ({wanted}) '
        f"does not match the {label} in record ({known}). The object might have been {happened}"
    )
    return ApiError(409, "Conflict", message, _details(resource, name, kind=resource.kind))


def no_number(version: str, where: str = "") -> ApiError:
    """500: a resourceVersion that is not a number, as a real API server answers."""
    return ApiError(500, "", f'{where}strconv.ParseUint: parsing "{version}": invalid syntax')


def invalid(
    resource: Resource, name: str, where: str, why: str, reason: str = "FieldValueInvalid"
) -> ApiError:
    """422: one field is invalid; `why` starts with the kind of error, e.g. `Invalid value: 0: must be …`."""
    details = _details(resource, name, kind=resource.kind)
    details["causes"] = [{"reason": reason, "message": why, "field": where}]
    kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    return ApiError(422, "Invalid", f'{kind} "{name}" is invalid: {where}: {why}', details)


def unreadable_patch(patched: str, why: str) -> ApiError:
    """422: the patched object cannot be decoded. A real server quotes the whole object with its values."""
    message = f"Invalid value: {json.dumps(patched)}: {why}"
    causes = [{"reason": "FieldValueInvalid", "message": message, "field": "patch"}]
    return ApiError(422, "Invalid", f' "" is invalid: patch: {message}', {"causes": causes})


def bad_request(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)


def malformed(resource: Resource, why: str) -> ApiError:
    """400: a body that is JSON but not an object of this kind."""
    message = f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: {why}'
    return bad_request(message)


def forbidden(resource: Resource, verb: str, namespace: str, name: str) -> ApiError:
    place = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    named = f' "{name}"' if name else ""
    message = (
        f'{resource.qualified}{named} is forbidden: User "sandbox" cannot {verb} resource '
        f'"{resource.plural}" in API group "{resource.group}" {place}'
    )
    return ApiError(403, "Forbidden", message, _details(resource, name))


def too_many_disruptions(why: str, retry_after: int = 0) -> ApiError:
    """429: a disruption budget forbids an eviction; `retry_after` in seconds, 0: unknown."""
    causes = [{"reason": "DisruptionBudget", "message": why}]
    details: Json = {"causes": causes} | ({"retryAfterSeconds": retry_after} if retry_after else {})
    message = "Cannot evict pod as it would violate the pod's disruption budget."
    return ApiError(429, "TooManyRequests", message, details)


def forbidden_namespace(resource: Resource, namespace: str) -> ApiError:
    message = f"unable to create new content in namespace {namespace} because it is being terminated"
    details = {"kind": resource.plural, "causes": [{"reason": "NamespaceTerminating", "message": message}]}
    return ApiError(403, "Forbidden", f"{resource.qualified} is forbidden: {message}", details)


def expired(version: int, current: int) -> ApiError:
    return ApiError(410, "Expired", f"too old resource version: {version} ({current})")


def unauthorized() -> ApiError:
    return ApiError(401, "Unauthorized", "Unauthorized")


def no_such_path() -> ApiError:
    return ApiError(404, "NotFound", "the server could not find the requested resource")


def bad_method() -> ApiError:
    message = "the server does not allow this method on the requested resource"
    return ApiError(405, "MethodNotAllowed", message, {})


def unknown_media(known: Iterable[str]) -> ApiError:
    """415: an unknown media type; `known` are the accepted ones."""
    message = "the body of the request was in an unknown format - accepted media types include: "
    return ApiError(415, "UnsupportedMediaType", message + ", ".join(known))


def unknown_patch() -> ApiError:
    """415: an unknown type of patch, refused before the body is read."""
    return ApiError(415, "UnsupportedMediaType", "415: Unsupported Media Type", {})


def rejected() -> ApiError:
    """422: a JSON patch that cannot be applied. A real API server gives no detail."""
    return ApiError(422, "Invalid", "the server rejected our request due to an error in our request", {})

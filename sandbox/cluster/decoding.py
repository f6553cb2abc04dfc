"""Decodes request bodies into objects of their kind, or refuses them."""

from __future__ import annotations

import json

from sandbox.cluster import validation
from sandbox.cluster.objects import without_nulls
from sandbox.cluster.resources import Resource
from sandbox.cluster.statuses import ApiError, bad_request, invalid, malformed, unreadable_patch
from sandbox.common import Json


def patched(resource: Resource, namespace: str, body: Json) -> Json:
    """Decode the result of a patch. Raises ApiError 422 where an invalid body is answered with 400."""
    try:
        validation.check_types(resource, {"metadata": {}} | body)
    except ApiError as error:
        raise unreadable_patch(json.dumps(body, separators=(",", ":")), error.message) from None
    return decoded(resource, namespace, body)


def decoded(resource: Resource, namespace: str, body: Json) -> Json:
    """Return a deep copy without nulls. Raises ApiError for a wrong kind, type or namespace."""
    if not isinstance(body, dict) or not isinstance(body.get("metadata", {}), dict):
        raise malformed(resource, "json: cannot unmarshal into Go value")
    if body.get("kind", resource.kind) != resource.kind:
        raise malformed(resource, f'no kind "{body["kind"]}" is expected here')
    validation.check_types(resource, {"metadata": {}} | body)
    obj: Json = without_nulls(body)
    meta = dict(obj.get("metadata") or {})
    meta.pop("managedFields", None)
    if not meta.get("resourceVersion"):
        meta.pop("resourceVersion", None)
    if namespace and meta.setdefault("namespace", namespace) != namespace:
        raise bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    if not namespace:
        meta.pop("namespace", None)
    if "template" in (obj.get("spec") or {"template": 0}) or not resource.has_template:
        return obj | {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": meta}
    raise invalid(resource, meta.get("name", ""), "spec.template", "Required value", "FieldValueRequired")

"""Validates the kinds that matter here, with the codes and texts of a real API server."""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import Any

from sandbox.cluster import selectors
from sandbox.cluster.objects import labels_of, name_of
from sandbox.cluster.resources import Resource
from sandbox.cluster.statuses import invalid, malformed
from sandbox.common import Json

MAX_SECRET_BYTES = 1024 * 1024
MAX_ANNOTATION_BYTES = 256 * 1024
MICRO_TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)$")
_SUBDOMAIN = re.compile(r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$")
_QUALIFIED = re.compile(r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$")
_DATA_KEY = re.compile(r"^[-._a-zA-Z0-9]{1,253}$")
_QUALIFIED_RULE = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
_DATA_KEY_RULE = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or "
    "'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
_MUTABLE = {
    "ordinals", "replicas", "template", "updateStrategy", "revisionHistoryLimit", "minReadySeconds",
    "persistentVolumeClaimRetentionPolicy",
}  # fmt: skip
_FIXED = (
    "Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
    "'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' "
    "are forbidden"
)
_LABEL_VALUE = re.compile(r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$")


def check_types(resource: Resource, obj: Json) -> None:
    """Raise ApiError 400 for values of a wrong JSON type or format, as decoding into the Go type does."""
    for where in ("labels", "annotations"):
        _strings(resource, f"ObjectMeta.metadata.{where}", obj["metadata"].get(where))
    match resource.kind:
        case "Secret":
            _strings(resource, "Secret.stringData", obj.get("stringData"))
            _strings(resource, "Secret.data", obj.get("data"))
            for value in (obj.get("data") or {}).values():
                _base64(resource, value)
        case "ConfigMap":
            _strings(resource, "ConfigMap.data", obj.get("data"))
        case "Lease":
            _lease_times(resource, obj.get("spec") or {})


def _strings(resource: Resource, where: str, value: object) -> None:
    if value is None:
        return
    if not isinstance(value, dict):
        raise malformed(resource, f"json: cannot unmarshal {_json_type(value)} into Go struct field {where}")
    for item in value.values():
        if item is not None and not isinstance(item, str):
            wrong = f"json: cannot unmarshal {_json_type(item)} into Go struct field {where} of type string"
            raise malformed(resource, wrong)


def _json_type(value: object) -> str:
    if isinstance(value, bool):
        return "bool"
    names = {int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "null")


def _base64(resource: Resource, value: str | None) -> None:
    try:
        base64.b64decode(value or "", validate=True)
    except (binascii.Error, ValueError) as error:
        raise malformed(resource, "illegal base64 data at input byte 0") from error


def _lease_times(resource: Resource, spec: Json) -> None:
    for field in ("renewTime", "acquireTime"):
        value = spec.get(field)
        if value is not None and not (isinstance(value, str) and MICRO_TIME.match(value)):
            layout = "2006-01-02T15:04:05.000000Z07:00"
            raise malformed(resource, f'parsing time "{value}" as "{layout}": cannot parse "Z" as ".000000"')


def check(resource: Resource, obj: Json, previous: Json | None) -> None:
    """Raise ApiError 422 for an invalid object. `previous` is None on creation."""
    _metadata(resource, obj)
    match resource.kind:
        case "Secret":
            _data(resource, obj, previous)
        case "ConfigMap":
            _data(resource, obj, previous)
        case "Lease":
            _lease(resource, obj)
        case "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet":
            _workload(resource, obj, previous)
        case "Event":
            _event(resource, obj)
        case "PodDisruptionBudget":
            _budget(resource, obj)
        case "Pod":
            _containers(resource, name_of(obj), "spec", obj["spec"])


def _metadata(resource: Resource, obj: Json) -> None:
    name = name_of(obj)
    if not _SUBDOMAIN.match(name):
        rule = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.'"
        raise invalid(resource, name, "metadata.name", f'Invalid value: "{name}": {rule}')
    annotations: dict[str, str] = obj["metadata"].get("annotations") or {}
    for key in (*annotations, *labels_of(obj)):
        if not _QUALIFIED.match(key):
            where = "metadata.annotations" if key in annotations else "metadata.labels"
            raise invalid(resource, name, where, f'Invalid value: "{key}": {_QUALIFIED_RULE}')
    for value in labels_of(obj).values():
        if not _LABEL_VALUE.match(value):
            rule = (
                "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.'"
            )
            raise invalid(resource, name, "metadata.labels", f'Invalid value: "{value}": {rule}')
    if sum(len(key) + len(value) for key, value in annotations.items()) > MAX_ANNOTATION_BYTES:
        why = f"Too long: may not be more than {MAX_ANNOTATION_BYTES} bytes"
        raise invalid(resource, name, "metadata.annotations", why, "FieldValueTooLong")


def _data(resource: Resource, obj: Json, previous: Json | None) -> None:
    """Check keys and size of a Secret or ConfigMap, and that an immutable one does not change."""
    name, data = name_of(obj), obj.get("data") or {}
    for key in data:
        if not _DATA_KEY.match(key):
            raise invalid(resource, name, f"data[{key}]", f'Invalid value: "{key}": {_DATA_KEY_RULE}')
    secret = resource.kind == "Secret"
    size = sum(len(base64.b64decode(value)) if secret else len(key + value) for key, value in data.items())
    if size > MAX_SECRET_BYTES:
        why = f"Too long: may not be more than {MAX_SECRET_BYTES} bytes"
        raise invalid(resource, name, "data", why, "FieldValueTooLong")
    frozen = "Forbidden: field is immutable when `immutable` is set"
    if previous and previous.get("immutable"):
        if not obj.get("immutable"):
            raise invalid(resource, name, "immutable", frozen, "FieldValueForbidden")
        if data != (previous.get("data") or {}):
            raise invalid(resource, name, "data", frozen, "FieldValueForbidden")
    if secret and previous and obj["type"] != previous["type"]:
        why = f'Invalid value: "{obj["type"]}": field is immutable'
        raise invalid(resource, name, "type", why)


def _event(resource: Resource, obj: Json) -> None:
    """k8s.io/kubernetes pkg/apis/core/validation/events.go"""
    namespace = obj["involvedObject"].get("namespace", "default") if "involvedObject" in obj else "default"
    if namespace != obj["metadata"]["namespace"]:
        why = f'Invalid value: "{namespace}": does not match event.namespace'
        raise invalid(resource, name_of(obj), "involvedObject.namespace", why)


def _budget(resource: Resource, obj: Json) -> None:
    """k8s.io/kubernetes pkg/apis/policy/validation/validation.go"""
    spec, name = obj.get("spec") or {}, name_of(obj)
    if "minAvailable" in spec and "maxUnavailable" in spec:
        why = f"Invalid value: {_compact(spec)}: minAvailable and maxUnavailable cannot be both set"
        raise invalid(resource, name, "spec", why)
    policy = spec.get("unhealthyPodEvictionPolicy")
    if policy not in {None, "AlwaysAllow", "IfHealthyBudget"}:
        why = f'Unsupported value: "{policy}": supported values: "AlwaysAllow", "IfHealthyBudget"'
        raise invalid(resource, name, "spec.unhealthyPodEvictionPolicy", why, "FieldValueNotSupported")


def _lease(resource: Resource, obj: Json) -> None:
    spec = obj.get("spec") or {}
    duration, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
    if duration is not None and duration <= 0:
        where = "spec.leaseDurationSeconds"
        raise invalid(resource, name_of(obj), where, f"Invalid value: {duration}: must be greater than 0")
    if transitions is not None and transitions < 0:
        why = f"Invalid value: {transitions}: must be greater than or equal to 0"
        raise invalid(resource, name_of(obj), "spec.leaseTransitions", why)


def _workload(resource: Resource, obj: Json, previous: Json | None) -> None:
    name, spec = name_of(obj), obj["spec"]
    selector, template = spec.get("selector"), spec["template"]
    if not selector:
        raise invalid(resource, name, "spec.selector", "Required value", "FieldValueRequired")
    labels = (template.get("metadata") or {}).get("labels") or {}
    if not selectors.matches(selector, labels):
        why = f"Invalid value: {_compact(labels)}: `selector` does not match template `labels`"
        raise invalid(resource, name, "spec.template.metadata.labels", why)
    if previous and resource.kind == "StatefulSet" and _fixed(previous["spec"]) != _fixed(spec):
        raise invalid(resource, name, "spec", _FIXED, "FieldValueForbidden")
    if previous and previous["spec"]["selector"] != selector:
        why = f"Invalid value: {_compact(selector)}: field is immutable"
        raise invalid(resource, name, "spec.selector", why)
    replicas = spec.get("replicas", 0)
    if replicas < 0:
        why = f"Invalid value: {replicas}: must be greater than or equal to 0"
        raise invalid(resource, name, "spec.replicas", why)
    marks = (template.get("metadata") or {}).get("annotations")
    _strings(resource, "PodTemplateSpec.spec.template.metadata.annotations", marks)
    _containers(resource, name, "spec.template.spec", template["spec"])


def _fixed(spec: Json) -> Json:
    """Return the fields of a StatefulSet's spec that cannot be changed."""
    return {field: value for field, value in spec.items() if field not in _MUTABLE}


def _compact(value: Json) -> str:
    return json.dumps(value, separators=(",", ":"))


def _containers(resource: Resource, name: str, where: str, spec: Json) -> None:
    containers: list[Any] = spec.get("containers") or []
    if not containers:
        raise invalid(resource, name, f"{where}.containers", "Required value", "FieldValueRequired")
    for index, container in enumerate(containers):
        for field in ("name", "image"):
            if not container.get(field):
                place = f"{where}.containers[{index}].{field}"
                raise invalid(resource, name, place, "Required value", "FieldValueRequired")

"""Prepares an object for storage: first status, normalized fields, generation."""

from __future__ import annotations

import base64

from sandbox.cluster.defaults import fill
from sandbox.cluster.objects import annotations_of
from sandbox.cluster.resources import Resource
from sandbox.common import Json


def first_status(resource: Resource) -> Json:
    first: dict[str, Json] = {
        "Pod": {"phase": "Pending", "qosClass": "BestEffort"},
        "Namespace": {"phase": "Active"},
        "Service": {"loadBalancer": {}},
    }
    return first.get(resource.kind, {})


def settled(resource: Resource, obj: Json) -> Json:
    """Return the object as stored: `stringData` merged into `data`, defaults, no empty maps in metadata."""
    if resource.kind == "Secret" and "stringData" in obj:
        texts: dict[str, str] = obj["stringData"]
        coded = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
        obj = {key: value for key, value in obj.items() if key != "stringData"}
        obj["data"] = (obj.get("data") or {}) | coded
    if resource.kind in {"Secret", "ConfigMap"} and not obj.get("data"):
        obj = {key: value for key, value in obj.items() if key != "data"}
    if resource.has_template and "metadata" in obj["spec"]["template"]:
        spec, template = obj["spec"], obj["spec"]["template"]
        # a template that lost its last annotation equals the template before it had any
        full = {key: value for key, value in (template["metadata"] or {}).items() if value not in ({}, [])}
        obj = obj | {"spec": spec | {"template": template | {"metadata": full}}}
    meta = obj["metadata"]
    empty = [
        key for key in ("annotations", "labels", "ownerReferences", "finalizers") if meta.get(key) in ({}, [])
    ]
    return fill(obj | {"metadata": {key: value for key, value in meta.items() if key not in empty}})


def new_generation(resource: Resource, old: Json, new: Json) -> bool:
    """Whether an update increases metadata.generation.

    A Deployment's annotations count (k8s.io/kubernetes pkg/registry/apps/deployment/strategy.go).
    """
    notes = resource.kind == "Deployment" and _notes(old) != _notes(new)
    return bool(new.get("spec") != old.get("spec") or notes)


def _notes(deployment: Json) -> dict[str, str]:
    """Return the annotations without those that the Deployment's controller writes."""
    notes = annotations_of(deployment)
    return {key: value for key, value in notes.items() if not key.startswith("deployment.kubernetes.io/")}

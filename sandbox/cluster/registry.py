"""The verbs of the API on the store, without HTTP: preconditions, defaults, validation, deletion."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import timedelta

from sandbox.cluster import validation
from sandbox.cluster.decoding import decoded, patched
from sandbox.cluster.objects import (
    Key,
    is_terminating,
    new_uid,
    random_suffix,
    stamp,
)
from sandbox.cluster.ownership import CONTROLLERS, Writer, owned
from sandbox.cluster.patch import APPLY, PATCHES
from sandbox.cluster.preconditions import check_preconditions
from sandbox.cluster.prepare import first_status, new_generation, settled
from sandbox.cluster.resources import BY_KIND, BY_PLURAL, Resource
from sandbox.cluster.statuses import (
    ApiError,
    already_exists,
    bad_request,
    conflict,
    forbidden_namespace,
    invalid,
    no_number,
    not_found,
    unknown_patch,
    unmet,
)
from sandbox.cluster.store import Store
from sandbox.common import Json

_SERVER_FIELDS = (
    "uid",
    "creationTimestamp",
    "generation",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
)


class Registry:
    """Reads and guarded writes; `by` is the writer. Refusals are ApiErrors with a real server's texts.

    Callers must not change returned objects.
    """

    def __init__(self, store: Store) -> None:
        self.store = store

    def get(self, resource: Resource, namespace: str, name: str) -> Json:
        found = self.store.get((resource.plural, namespace, name))
        if found is None:
            raise not_found(resource, name)
        return found

    def create(
        self,
        resource: Resource,
        namespace: str,
        body: Json,
        *,
        dry_run: bool = False,
        by: Writer = CONTROLLERS,
    ) -> Json:
        obj = decoded(resource, namespace, body)
        meta = obj["metadata"]
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = meta["generateName"] + random_suffix()
        if not meta.get("name"):
            why = "Required value: name or generateName is required"
            raise invalid(resource, "", "metadata.name", why, "FieldValueRequired")
        if "resourceVersion" in meta:
            wrong = "resourceVersion should not be set on objects to be created"
            raise ApiError(500, "InternalError", wrong)
        if namespace:
            self._check_namespace(resource, namespace)
        if self.store.get((resource.plural, namespace, meta["name"])):
            raise already_exists(resource, meta["name"])
        meta |= {"uid": new_uid(), "creationTimestamp": stamp(self.store.clock())}
        meta.pop("deletionTimestamp", None)
        if resource.has_generation:
            meta["generation"] = 1
        if resource.has_status and resource.plural != "nodes":
            obj["status"] = first_status(resource)
        obj = settled(resource, obj)
        validation.check(resource, obj, None)
        obj = owned(resource, None, obj, by, meta["creationTimestamp"])
        return obj if dry_run else self.store.put(resource, obj)

    def replace(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        body: Json,
        *,
        status: bool = False,
        dry_run: bool = False,
        by: Writer = CONTROLLERS,
    ) -> Json:
        """PUT. It may also create a Lease; to replace one it needs a resourceVersion
        (k8s.io/kubernetes pkg/registry/coordination/lease/strategy.go).
        """
        new = decoded(resource, namespace, body)
        if new["metadata"].setdefault("name", name) != name:
            raise _other_name(new["metadata"]["name"], name)
        uid = new["metadata"].get("uid")
        old = self.store.get((resource.plural, namespace, name))
        if resource.kind == "Lease" and old is None and not uid:
            new["metadata"].pop("resourceVersion", None)
            return self.create(resource, namespace, new, dry_run=dry_run, by=by)
        if old is None and resource.kind != "Lease":
            raise not_found(resource, name)
        known = old["metadata"]["uid"] if old else ""
        if uid and uid != known:
            raise unmet(resource, name, "UID", uid, known)
        if old is None:
            raise not_found(resource, name)
        if resource.kind == "Lease" and not new["metadata"].get("resourceVersion"):
            why = "Invalid value: 0x0: must be specified for an update"
            raise invalid(resource, name, "metadata.resourceVersion", why)
        return self._commit(resource, old, new, status=status, dry_run=dry_run, by=by)

    def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        body: Json,
        media: str,
        *,
        status: bool = False,
        dry_run: bool = False,
        by: Writer = CONTROLLERS,
    ) -> Json:
        apply = PATCHES.get(media)
        if apply is None:
            raise unknown_patch()
        old = self.store.get((resource.plural, namespace, name))
        if media == APPLY:
            by = by.apply(body)
        if old is None and media == APPLY:
            return self.create(resource, namespace, body, dry_run=dry_run, by=by)
        old = self.get(resource, namespace, name)
        new = patched(resource, namespace, apply(old, body))
        meta = new["metadata"]
        if meta.get("name") != name:
            raise _other_name(str(meta.get("name", "")), name)
        if meta.setdefault("uid", old["metadata"]["uid"]) != old["metadata"]["uid"]:
            why = f'Invalid value: "{meta["uid"]}": field is immutable'
            raise invalid(resource, name, "metadata.uid", why)
        return self._commit(resource, old, new, status=status, dry_run=dry_run, by=by)

    def modify(self, key: Key, change: Callable[[Json], None], *, status: bool = False) -> Json | None:
        """Let a controller `change` a copy of the object and store it; return None without the object."""
        old = self.store.get(key)
        if old is None:
            return None
        new = copy.deepcopy(old)
        change(new)
        by = Writer(CONTROLLERS.manager, subresource="status") if status else CONTROLLERS
        return self._commit(BY_PLURAL[key[0]], old, new, status=status, dry_run=False, by=by)

    def delete(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        options: Json | None = None,
        *,
        dry_run: bool = False,
    ) -> tuple[Json, bool]:
        """Return the last state and whether the object is gone. Pods and finalizers delay the removal."""
        options = options or {}
        old = self.get(resource, namespace, name)
        check_preconditions(resource, old, options.get("preconditions") or {})
        grace = options.get("gracePeriodSeconds")
        if grace is None:
            grace = (old.get("spec") or {}).get("terminationGracePeriodSeconds", 30)
        running = resource.kind == "Pod" and grace > 0
        lingers = running or resource.kind == "Namespace" or bool(old["metadata"].get("finalizers"))
        if dry_run:
            return old, not lingers
        if options.get("propagationPolicy") == "Orphan":
            self._orphan(old)
        key = (resource.plural, namespace, name)
        if not lingers:
            self.store.remove(key)
            return old, True
        if is_terminating(old):
            return old, False
        end = self.store.clock() + timedelta(seconds=grace if resource.kind == "Pod" else 0)
        marks = {"deletionTimestamp": stamp(end), "deletionGracePeriodSeconds": grace}
        new = old | {"metadata": old["metadata"] | marks}
        if resource.kind == "Namespace":
            new["status"] = {"phase": "Terminating"}
        return self.store.put(resource, new), False

    def _commit(
        self, resource: Resource, old: Json, new: Json, *, status: bool, dry_run: bool, by: Writer
    ) -> Json:
        """Store the update of `old`, unless nothing changed."""
        name, old_meta = old["metadata"]["name"], old["metadata"]
        version = new["metadata"].get("resourceVersion", old_meta["resourceVersion"])
        if version != old_meta["resourceVersion"]:
            raise conflict(resource, name) if version.isdigit() else no_number(version)
        if status:
            new = old | {"status": new.get("status") or {}}
        elif resource.has_status:
            new = new | {"status": old.get("status") or {}}
        meta = {key: value for key, value in new["metadata"].items() if key not in _SERVER_FIELDS}
        meta |= {key: old_meta[key] for key in (*_SERVER_FIELDS, "resourceVersion") if key in old_meta}
        new = settled(resource, new | {"metadata": meta})
        if resource.has_generation and new_generation(resource, old, new):
            meta["generation"] = old_meta["generation"] + 1
            new["metadata"] = meta
        if new == old:
            return old
        validation.check(resource, new, old)
        new = owned(resource, old, new, by, stamp(self.store.clock()))
        if dry_run:
            return new
        stored = self.store.put(resource, new)
        if is_terminating(stored) and not stored["metadata"].get("finalizers") and resource.kind != "Pod":
            self.store.remove((resource.plural, meta.get("namespace", ""), name))
        return stored

    def _check_namespace(self, resource: Resource, namespace: str) -> None:
        found = self.store.get(("namespaces", "", namespace))
        if found is None:
            raise not_found(BY_PLURAL["namespaces"], namespace)
        if is_terminating(found):
            raise forbidden_namespace(resource, namespace)

    def _orphan(self, owner: Json) -> None:
        uid = owner["metadata"]["uid"]
        for child in self.store.owned_by(uid):
            references = [entry for entry in child["metadata"]["ownerReferences"] if entry["uid"] != uid]
            meta = child["metadata"] | {"ownerReferences": references}
            self.store.put(BY_KIND[child["kind"]], child | {"metadata": meta})


def _other_name(given: str, wanted: str) -> ApiError:
    return bad_request(f"the name of the object ({given}) does not match the name on the URL ({wanted})")

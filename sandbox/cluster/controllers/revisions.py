"""ControllerRevisions: current and former templates of a StatefulSet or DaemonSet."""

from __future__ import annotations

from sandbox.cluster.controllers.common import Tools, key_of, template_hash
from sandbox.cluster.objects import labels_of, name_of, namespace_of, owner_reference, uid_of
from sandbox.cluster.resources import BY_PLURAL
from sandbox.common import Json

HASH = "controller-revision-hash"
_REVISIONS = BY_PLURAL["controllerrevisions"]


def history(tools: Tools, owner: Json) -> list[Json]:
    """Return the revisions from the oldest to the newest."""
    found = tools.store.owned_by(uid_of(owner), _REVISIONS.plural)
    return sorted(found, key=lambda one: (one["revision"], name_of(one)))


def current(tools: Tools, owner: Json, label: str | None = None) -> Json:
    """Return the revision of the owner's template: reuse an old one under a new number or create one.

    `label` is the value of its hash label: the hash for a DaemonSet; by default (StatefulSet) its name.
    """
    known = history(tools, owner)
    data = _data(owner)
    newest = known[-1]["revision"] if known else 0
    for one in known:
        if one["data"] == data:
            if one["revision"] < newest:
                tools.registry.modify(key_of(one), lambda obj: obj.update(revision=newest + 1))
            return tools.store.get(key_of(one)) or one
    digest = template_hash(owner["spec"]["template"])
    name = f"{name_of(owner)}-{digest}"
    labels = (owner["spec"]["selector"].get("matchLabels") or {}) | {HASH: digest if label else name}
    body = {
        "metadata": {"name": name, "labels": labels, "ownerReferences": [owner_reference(owner)]},
        "data": data,
        "revision": newest + 1,
    }
    return tools.registry.create(_REVISIONS, namespace_of(owner), body)


def template(revision: Json) -> Json:
    """Return the pod template of a revision."""
    stored: Json = revision["data"]["spec"]["template"]
    return {key: value for key, value in stored.items() if key != "$patch"}


def label_of(revision: Json) -> str:
    return labels_of(revision)[HASH]


def delete_oldest(tools: Tools, owner: Json, in_use: set[str]) -> None:
    """Delete the oldest revisions beyond `revisionHistoryLimit` whose label value is not in use."""
    spare = [one for one in history(tools, owner)[:-1] if label_of(one) not in in_use]
    surplus = len(spare) - int(owner["spec"]["revisionHistoryLimit"])
    for one in spare[: max(0, surplus)]:
        tools.registry.delete(_REVISIONS, namespace_of(one), name_of(one))


def _data(owner: Json) -> Json:
    return {"spec": {"template": owner["spec"]["template"] | {"$patch": "replace"}}}

"""Access rules: everything is allowed unless denied. Answers self-reviews about them."""

from __future__ import annotations

from dataclasses import dataclass

from sandbox.cluster.objects import stamp
from sandbox.cluster.statuses import bad_method, no_such_path
from sandbox.common import Clock, Json, utc_now

USER = "sandbox"
REVIEWS = {
    ("authorization.k8s.io", "selfsubjectaccessreviews"): "SelfSubjectAccessReview",
    ("authentication.k8s.io", "selfsubjectreviews"): "SelfSubjectReview",
}


@dataclass(frozen=True, slots=True)
class Rule:
    """Denies `verb` on `resource` (plural; "*" for any) in a namespace, or in all if it is None."""

    verb: str
    resource: str
    namespace: str | None = None

    def covers(self, verb: str, resource: str, namespace: str) -> bool:
        here = self.namespace is None or self.namespace == namespace
        return here and self.verb in {"*", verb} and self.resource in {"*", resource}


class Access:
    """The list of denied verbs."""

    def __init__(self, clock: Clock = utc_now) -> None:
        self._clock = clock
        self._denied: set[Rule] = set()

    def deny(self, rule: Rule) -> None:
        self._denied.add(rule)

    def allow(self, rule: Rule) -> None:
        self._denied.discard(rule)

    def allows(self, verb: str, resource: str, namespace: str) -> bool:
        return not any(rule.covers(verb, resource, namespace) for rule in self._denied)

    def review(self, group: str, plural: str, method: str, body: Json) -> Json:
        """Answer a POST of a self-review.

        Raises:
            ApiError: 404 for another path, 405 for another method.
        """
        kind = REVIEWS.get((group, plural))
        if kind is None:
            raise no_such_path()
        if method != "POST":
            raise bad_method()
        head = {"apiVersion": f"{group}/v1", "kind": kind}
        meta = {
            "metadata": {"creationTimestamp": stamp(self._clock()) if group.startswith("authent") else None}
        }
        if kind == "SelfSubjectReview":
            groups = ["system:authenticated"]
            return head | meta | {"status": {"userInfo": {"username": USER, "groups": groups}}}
        spec = body.get("spec") or {}
        attributes = spec.get("resourceAttributes") or {}
        resource = attributes.get("resource", "") + (
            f"/{attributes['subresource']}" if attributes.get("subresource") else ""
        )
        allowed = self.allows(attributes.get("verb", ""), resource, attributes.get("namespace", ""))
        return head | meta | {"spec": spec, "status": {"allowed": allowed}}

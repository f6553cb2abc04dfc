"""Who may do what: everybody everything, but for what was denied by hand; and the self-reviews that tell."""

from __future__ import annotations

from dataclasses import dataclass

from sandbox.cluster.objects import Clock, stamp, utc_now
from sandbox.cluster.resources import Json
from sandbox.cluster.statuses import bad_method, no_such_path

USER = "sandbox"
REVIEWS = {
    ("authorization.k8s.io", "selfsubjectaccessreviews"): "SelfSubjectAccessReview",
    ("authentication.k8s.io", "selfsubjectreviews"): "SelfSubjectReview",
}


@dataclass(frozen=True, slots=True)
class Rule:
    """Denies `verb` on `resource` (plural, "*" is any); without a namespace everywhere."""

    verb: str
    resource: str
    namespace: str | None = None

    def covers(self, verb: str, resource: str, namespace: str) -> bool:
        here = self.namespace is None or self.namespace == namespace
        return here and self.verb in {"*", verb} and self.resource in {"*", resource}


class Access:
    """The deny-list."""

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
        asked = spec.get("resourceAttributes") or {}
        resource = asked.get("resource", "") + (
            f"/{asked['subresource']}" if asked.get("subresource") else ""
        )
        allowed = self.allows(asked.get("verb", ""), resource, asked.get("namespace", ""))
        return head | meta | {"spec": spec, "status": {"allowed": allowed}}

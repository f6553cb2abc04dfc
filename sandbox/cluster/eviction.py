"""`pods/eviction`: deletes a pod if its PodDisruptionBudget allows it.

A port of k8s.io/kubernetes pkg/registry/core/pod/storage/eviction.go.
"""

from __future__ import annotations

from dataclasses import dataclass

from sandbox.cluster import selectors
from sandbox.cluster.objects import (
    Key,
    condition,
    is_ready,
    is_terminating,
    labels_of,
    name_of,
    namespace_of,
    stamp,
    status_of,
)
from sandbox.cluster.preconditions import check_preconditions
from sandbox.cluster.registry import Registry
from sandbox.cluster.resources import BY_PLURAL
from sandbox.cluster.statuses import ApiError, bad_request, conflict, too_many_disruptions
from sandbox.common import Json

_PODS, _BUDGETS = BY_PLURAL["pods"], BY_PLURAL["poddisruptionbudgets"]
_TARGET = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}
_RETRY_AFTER = 10
"""Seconds after which a client may try again while the budget is being processed."""
SUCCESS: Json = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


@dataclass(frozen=True, slots=True)
class Eviction:
    """A request to evict the pod with this name. Refusals are ApiErrors with a real server's texts."""

    registry: Registry
    namespace: str
    name: str
    options: Json
    dry_run: bool

    def perform(self) -> Json:
        """Delete the pod gracefully and return the Status of a success.

        Raises:
            ApiError: 404: no pod. 409: a precondition failed. 429: a budget forbids it. 500: two budgets.
        """
        pod = self.registry.get(_PODS, self.namespace, self.name)
        guarded = self._needs_no_budget(pod) or self._use_budget(pod)
        try:
            self._delete(pod, guarded)
        except ApiError as refusal:
            if refusal.code == 409 and guarded and not self._wanted("resourceVersion"):
                raise too_many_disruptions(_being_processed(guarded), _RETRY_AFTER) from refusal
            raise
        return SUCCESS

    def _needs_no_budget(self, pod: Json) -> str:
        """Return "pod" if the pod does not run or is terminating, so that no budget applies; else ""."""
        idle = status_of(pod).get("phase") in {"Succeeded", "Failed", "Pending"} or is_terminating(pod)
        return "pod" if idle else ""

    def _use_budget(self, pod: Json) -> str:
        """Take one disruption from the budget and return ""; return its name if an unhealthy pod may go."""
        budgets = budgets_of(self.registry, pod)
        if len(budgets) > 1:
            why = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not "
            raise ApiError(500, "", why + "support.")
        if not budgets:
            return ""
        (budget,) = budgets
        if not is_ready(pod) and _lets_unhealthy_go(budget):
            return name_of(budget)
        self._decrement(budget)
        return ""

    def _decrement(self, budget: Json) -> None:
        status, name = status_of(budget), name_of(budget)
        if status.get("observedGeneration", 0) < budget["metadata"]["generation"]:
            raise too_many_disruptions(_being_processed(name), _RETRY_AFTER)
        if status["disruptionsAllowed"] == 0:
            raise too_many_disruptions(_why(budget))
        if self.dry_run:
            return
        now = stamp(self.registry.store.clock())
        disrupted = (status.get("disruptedPods") or {}) | {self.name: now}
        spent = status | {"disruptionsAllowed": status["disruptionsAllowed"] - 1, "disruptedPods": disrupted}
        key: Key = (_BUDGETS.plural, self.namespace, name)
        self.registry.modify(key, lambda obj: obj.update(status=spent), status=True)

    def _delete(self, pod: Json, guarded: str) -> None:
        wanted: Json = dict(self.options.get("preconditions") or {})
        known = self.registry.get(_PODS, self.namespace, self.name)
        if guarded and known["metadata"]["resourceVersion"] != pod["metadata"]["resourceVersion"]:
            raise conflict(_PODS, self.name)
        check_preconditions(_PODS, known, wanted)
        if not self.dry_run and not is_terminating(known):
            self._mark(known)
            wanted.pop("resourceVersion", None)  # checked above; _mark made a newer version
        options = self.options | {"preconditions": wanted}
        self.registry.delete(_PODS, self.namespace, self.name, options, dry_run=self.dry_run)

    def _mark(self, pod: Json) -> None:
        """Set the condition that says why the pod ends."""
        now = stamp(self.registry.store.clock())
        mark = _TARGET | {"message": "Eviction API: evicting", "lastProbeTime": None}
        existing = status_of(pod).get("conditions") or []
        others = [entry for entry in existing if entry["type"] != _TARGET["type"]]
        conditions = [*others, mark | {"lastTransitionTime": now}]
        key: Key = (_PODS.plural, self.namespace, self.name)
        self.registry.modify(key, lambda obj: obj["status"].update(conditions=conditions), status=True)

    def _wanted(self, field: str) -> bool:
        return bool((self.options.get("preconditions") or {}).get(field))


def evict(registry: Registry, namespace: str, name: str, body: Json, *, dry_run: bool) -> Json:
    """Answer the POST of a policy/v1 Eviction; see `Eviction.perform`."""
    known = (body.get("apiVersion", "policy/v1"), body.get("kind", "Eviction"))
    if known not in {("policy/v1", "Eviction"), ("policy/v1beta1", "Eviction")}:
        raise bad_request(f"no kind {known[1]!r} of {known[0]!r} is expected here")
    if (body.get("metadata") or {}).get("name", name) != name:
        raise bad_request("name in URL does not match name in Eviction object")
    options: Json = body.get("deleteOptions") or {}
    return Eviction(registry, namespace, name, options, dry_run or options.get("dryRun") == ["All"]).perform()


def budgets_of(registry: Registry, pod: Json) -> list[Json]:
    """Return the PodDisruptionBudgets that select this pod; an empty selector selects all pods."""
    return [
        budget for budget in registry.store.all(_BUDGETS.plural, namespace_of(pod)) if selects(budget, pod)
    ]


def selects(budget: Json, pod: Json) -> bool:
    selector = (budget.get("spec") or {}).get("selector")
    return selector is not None and selectors.matches(selector, labels_of(pod))


def _lets_unhealthy_go(budget: Json) -> bool:
    """IfHealthyBudget, the default: unhealthy pods may go while enough others are healthy."""
    if budget["spec"].get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    status = status_of(budget)
    healthy, desired = status.get("currentHealthy", 0), status.get("desiredHealthy", 0)
    return bool(healthy >= desired > 0)


def _why(budget: Json) -> str:
    status, name = status_of(budget), name_of(budget)
    allowed = condition(budget, "DisruptionAllowed") or {}
    if allowed.get("reason") == "SyncFailed":
        failed = "does not allow evicting pods currently because it failed sync"
        return f"The disruption budget {name} {failed}: {allowed['message']}"
    needs, has = status["desiredHealthy"], status["currentHealthy"]
    return f"The disruption budget {name} needs {needs} healthy pods and has {has} currently"


def _being_processed(name: str) -> str:
    return f"The disruption budget {name} is still being processed by the server."

"""What is said of a gateway: what its Secrets hold, who runs it, and what went wrong before."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from rotator.app.status import status_of
from rotator.core.observation import Observation, Pod, Request, Target, Workload
from rotator.core.policy import Policy
from rotator.core.records import Decision, Key, Proven, Record, Token

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
OURS = Token("aaaa", Key.PRIMARY, NOW - DAY, NOW + 20 * DAY, "aaaa")
BEFORE = Token("bbbb", Key.SECONDARY, NOW - 9 * DAY, NOW + 12 * DAY, "bbbb")
ADOPTED = replace(OURS, template_token=None, adopted=True)


def pod(name: str, mark: str | None = "aaaa", *, works: bool = True, age: timedelta = HOUR) -> Pod:
    return Pod(name, mark, NOW - age, works, instance=name)


def target(name: str = "apim/token", token: Token | None = OURS, *pods: Pod, **changes: Any) -> Target:
    """A target that holds the token on record; without one, OURS, which is not on record."""
    record = Record(Decision(1, token), verified_at=NOW - HOUR) if token else None
    load = Workload(
        "deployment/gw", token.template_token if token else None, None, False, pods or (pod("a"), pod("b"))
    )
    held = token or OURS
    return replace(Target(name, held.fingerprint, held.expires_at, record, (load,)), **changes)


def told(*targets: Target, **seen: Any) -> dict[str, Any]:
    return status_of("oslo", Observation(targets, **seen), Policy(), NOW)


def running(state: dict[str, Any]) -> list[tuple[int | None, bool]]:
    return [(w["running"], t["assumed"]) for t in state["targets"] for w in t["workloads"]]


def test_before_adoption_it_is_told_what_is_in_the_secret() -> None:
    state = told(target(token=None), signers={"aaaa": Key.PRIMARY})

    assert state["token"]["fingerprint"] == "aaaa" and state["token"]["adopted"]
    assert state["renewal_at"] == "2026-12-01T12:00:00Z" and state["due"] is None
    assert (state["targets"][0]["key"], state["targets"][0]["dead"]) == ("primary", False)
    assert running(state) == [(None, False)]


def test_a_token_that_is_due_before_it_is_adopted_is_told_to_be() -> None:
    state = told(target(token=None, expires_at=NOW + DAY), signers={"aaaa": Key.PRIMARY})

    assert (state["next_step"], state["due"]) == ("Adopt", "NearingExpiry")
    assert "; then Issue (NearingExpiry): " in state["message"]


def test_a_dead_token_is_told_to_be_dead() -> None:
    state = told(target(), signers={"aaaa": None})

    assert (state["targets"][0]["key"], state["targets"][0]["dead"]) == (None, True)
    assert state["due"] == "Revoked"


def test_no_pod_is_known_to_run_what_another_writer_put_into_the_secret() -> None:
    assert running(told(target(fingerprint="cccc"))) == [(None, False)]


def test_beside_an_adopted_token_pods_are_assumed_to_run_it() -> None:
    assert running(told(target(token=ADOPTED, workloads=(load(pod("a", None)),)))) == [(1, True)]


def load(*pods: Pod) -> Workload:
    return Workload("deployment/gw", pods[0].pod_token, None, False, pods)


def test_a_pod_counts_that_works_and_has_read_this_token_and_no_other() -> None:
    """Of the pods with our mark one may have read what another writer wrote, ten minutes ago."""
    pods = (pod("old", "bbbb"), pod("sick", works=False), pod("good"), pod("young", age=timedelta(minutes=9)))
    record = Record(Decision(1, OURS), NOW - timedelta(minutes=10), NOW - HOUR, None, frozenset({"good"}))
    unsure = (*pods, pod("unsure", age=timedelta(minutes=20)))

    state = told(target("apim/token", OURS, *unsure, record=record))

    assert running(state) == [(2, False)]
    assert state["targets"][0]["workloads"][0]["pods"] == 5


def rolled_back(name: str, at: datetime, failures: int = 1) -> Target:
    decision = Decision(3, BEFORE, failures=failures, retry_at=NOW + HOUR)
    record = Record(decision, at, at + timedelta(minutes=5), None, frozenset({"a"}))
    return target(name, BEFORE, pod("a", "bbbb"), record=record)


def test_after_a_roll_back_it_is_told_what_failed_how_often_and_when_it_is_tried_again() -> None:
    request = Request(NOW - HOUR, by="an operator")
    first = replace(rolled_back("west:apim/token", NOW - 2 * HOUR, failures=2), request=request)

    state = told(rolled_back("apim/token", NOW - HOUR, failures=2), first)

    assert (state["state"], state["due"], state["failures"]) == ("RolledBack", "Requested", 2)
    assert state["retry_at"] == "2026-11-21T13:00:00Z"
    assert state["message"] == (
        "the rollout failed 2 times and was rolled back; a new token (Requested) is tried after 2026-11-21 13:00 UTC; "
        "the Event RolloutFailed says what failed: kubectl --context west -n apim events --for secret/token"
    )


def test_a_roll_back_is_told_of_even_if_nothing_is_due() -> None:
    state = told(rolled_back("apim/token", NOW - HOUR))

    assert (state["state"], state["due"]) == ("RolledBack", None)
    assert (
        "; the rollout failed once and the previous token is back; no new token is tried before"
        in (state["message"])
    )
    assert state["message"].endswith("kubectl -n apim events --for secret/token")


def test_what_failed_before_a_token_that_came_up_is_no_news() -> None:
    fine = target(
        record=Record(Decision(4, OURS, failures=2), verified_at=NOW - HOUR, previous=Proven(BEFORE, None))
    )

    state = told(fine)

    assert (state["state"], state["failures"]) == ("Settled", 0)
    assert "failed" not in state["message"]

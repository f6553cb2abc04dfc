"""What one rotation asks the API server for, by its audit log."""

from __future__ import annotations

import base64

from tests.cluster.e2e.account import USER
from tests.cluster.e2e.fleet import Order
from tests.cluster.e2e.process_env import ClusterEnv
from tests.cluster.plane import audit
from tests.cluster.plane.control import ControlPlane


async def test_a_rotation_uses_these_verbs_on_these_names_and_no_others(env: ClusterEnv, plane: ControlPlane):
    (place,) = await env.deploy(Order("oslo"))
    async with env.daemon() as daemon:
        await env.renewed()
        await daemon.line(lambda line: line["event"] == "rotation", within=20)
    made = [c for c in audit.calls(plane.audit, env.account.user) if c.namespace in env.namespaces]
    rows = audit.table(made)
    print_table(rows)
    assert {(verb, resource, name) for verb, resource, name, _ in rows} == {
        ("create", "events", ""),
        ("create", "leases", ""),
        ("get", "deployments", "apim-gateway"),
        ("get", "leases", "apim-token-rotator-oslo"),
        ("get", "secrets", place.secret),
        ("list", "pods", ""),
        ("patch", "deployments", "apim-gateway"),
        ("patch", "leases", "apim-token-rotator-oslo"),
        ("patch", "secrets", place.secret),
        ("watch", "deployments", "apim-gateway"),
        ("watch", "pods", ""),
    }
    assert all(call.allowed for call in made)
    counts = {(verb, resource): count for verb, resource, _, count in rows}
    assert counts["patch", "secrets"] == 3  # adopted, issued, verified
    assert counts["patch", "deployments"] == 1
    assert sum(counts.values()) <= 100  # a look for each change of the rollout that matters


async def test_nothing_is_asked_for_outside_the_namespaces_of_targets_and_leases(
    env: ClusterEnv, plane: ControlPlane
):
    await env.deploy(Order("oslo"))
    before = len(audit.entries(plane.audit, USER))
    async with env.daemon():
        await env.renewed()
    mine = audit.calls(plane.audit, USER)[before:]
    assert {call.namespace for call in mine} == env.namespaces
    assert {call.namespace for call in mine if call.resource == "leases"} == {env.leases}
    assert {call.allowed for call in mine} == {True}


async def test_no_token_is_in_the_audit_log(env: ClusterEnv, plane: ControlPlane):
    """Bodies of Events, Leases and workloads are in it: the mark proves that they are."""
    (place,) = await env.deploy(Order("oslo"))
    tokens = [await env.token(place)]
    async with env.daemon():
        await env.renewed()
    tokens.append(await env.token(place))
    log = plane.audit.read_text()
    assert (await env.notes(place))["fingerprint"] in log
    for token in tokens:
        bare = token.removeprefix("GatewayKey ")
        assert bare not in log
        assert bare.split("&")[-1] not in log
        assert base64.b64encode(token.encode()).decode() not in log


def print_table(rows: list[tuple[str, str, str, int]]) -> None:
    for verb, resource, name, count in rows:
        print(f"| {verb} | {resource} | {name} | {count} |")

"""I7: no token value appears in anything that the service writes, at level debug, whatever goes wrong."""

from __future__ import annotations

import base64
import json
from datetime import datetime
from pathlib import Path

import pytest

from sandbox.demo.process import Daemon
from tests.process.process_env import WAIT_TIMEOUT, ProcessEnv, fetch, post, run_ended

pytestmark = pytest.mark.process


def values(env: ProcessEnv) -> set[str]:
    """Every token that exists: each that was minted, made again with its key."""
    found = {g.mint(m.key, m.expires_at) for g in env.sandbox.azure.gateways for m in list(g.minted)}
    assert found
    return found


def forms(token: str) -> set[str]:
    """A token as it is, in base64 with and without prefix, and each signature alone."""
    prefixed = f"GatewayKey {token}"
    encoded = {base64.b64encode(t.encode()).decode() for t in (token, prefixed)}
    signature = token.rpartition("&")[2]
    return {token, signature, signature.rstrip("="), json.dumps(signature)[1:-1], *encoded}


def written_to_objects(env: ProcessEnv) -> str:
    """All objects of the cluster but the data of Secrets."""
    kinds = ("Secret", "Deployment", "ReplicaSet", "Pod", "Event", "Lease", "ConfigMap")
    objects = [o for k in kinds for o in env.sandbox.cluster.list(k)]
    return json.dumps([{k: v for k, v in o.items() if (o["kind"], k) != ("Secret", "data")} for o in objects])


async def told(daemon: Daemon) -> str:
    pages = [await fetch(daemon, p) for p in ("/metrics", "/readyz", "/healthz", "/api/v1/gateways")]
    argv = Path(f"/proc/{daemon.process.pid}/cmdline")
    environ = argv.read_bytes().decode() if argv.exists() else ""
    return json.dumps(pages) + environ


@pytest.mark.timeout(180)
async def test_no_token_is_ever_written_out(env: ProcessEnv) -> None:
    d = await env.deploy("oslo", "portal")
    secret = env.sandbox.cluster.get("Secret", d.namespace, d.secret)
    assert secret
    applied = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps(secret)}
    env.sandbox.cluster.patch("Secret", d.namespace, d.secret, {"metadata": {"annotations": applied}})
    output = ""
    async with env.daemon() as daemon:
        await env.adopted("oslo")
        faults = [("arm", "POST", "generateToken"), ("kubernetes", "PATCH", "/secrets/")]
        for server, method, path in faults:
            for n, fault in enumerate(({"action": "status", "status": 500}, {"action": "reset"})):
                env.sandbox.faults.add(server=server, method=method, path=path, skip=n, when="after", **fault)
        await env.deliver_near_expiry("oslo", daemon)
        await env.verified_at("oslo", 1)
        await daemon.line(run_ended("oslo"), WAIT_TIMEOUT)
        token = min(values(env))
        status, answer = await post(daemon, [{"id": token, "eventType": token, "data": {"x": token}}])
        assert status in {200, 400}
        output += answer + await told(daemon)
    output += "\n".join(json.dumps(x) for x in daemon.lines)
    for words in (("status",), ("status", "-o", "json"), ("plan",), ("rotate-now", "--all", "--force")):
        _, out, err = await env.command(*words)
        output += out + err
    output += written_to_objects(env)
    leaked = [f for v in values(env) for f in forms(v) if f in output]
    assert leaked == []
    assert {"debug", "info"} <= {x["level"] for x in daemon.lines}
    assert env.notes("oslo")["fingerprint"] in output, "the search had something to search in"


async def test_the_search_would_find_a_token(env: ProcessEnv) -> None:
    await env.deploy("oslo")
    (token,) = values(env)
    assert any(f in json.dumps({"error": f"got GatewayKey {token}"}) for f in forms(token))


async def test_a_copy_that_kubectl_left_is_removed_and_told(env: ProcessEnv) -> None:
    d = await env.deploy("oslo")
    note = "kubectl.kubernetes.io/last-applied-configuration"
    secret = env.sandbox.cluster.get("Secret", d.namespace, d.secret)
    env.sandbox.cluster.patch(
        "Secret", d.namespace, d.secret, {"metadata": {"annotations": {note: json.dumps(secret)}}}
    )
    async with env.daemon() as daemon:
        await env.adopted("oslo")
        await daemon.line(lambda x: "last-applied" in x["event"], WAIT_TIMEOUT)
    after = env.sandbox.cluster.get("Secret", d.namespace, d.secret)
    assert after and note not in after["metadata"]["annotations"]
    assert datetime.fromisoformat(env.notes("oslo")["issued-at"]).tzinfo

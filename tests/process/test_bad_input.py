"""Each mistake gets its clear answer, and the daemon keeps serving the rest."""

from __future__ import annotations

import base64
import json

import pytest

from sandbox.azure.events import near_expiry
from tests.process.process_env import WAIT_TIMEOUT, ProcessEnv, fetch, port, post, run_ended

pytestmark = pytest.mark.process

DEEP = b"[" * 100_000 + b"]" * 100_000
BODIES = [
    ("malformed JSON", b'[{"id": ', "application/json", 400),
    ("no JSON at all", b"\xff\xfe\x00", "application/json", 400),
    ("not an event", b'{"hello": "world"}', "application/json", 400),
    ("nested too deep", DEEP, "application/json", 400),
    ("empty", b"", "application/json", 400),
    ("oversized", b"[" + b" " * 2_000_000 + b"]", "application/json", 413),
    ("wrong content type", b"[]", "text/plain", 415),
]


async def test_bad_deliveries_are_answered_and_the_good_one_after_them_is_taken(env: ProcessEnv) -> None:
    await env.deploy("oslo")
    async with env.daemon() as daemon:
        await env.adopted("oslo")
        for what, body, content_type, status in BODIES:
            assert (await post(daemon, body, content_type))[0] == status, what
        unknown = {
            "id": "1",
            "eventType": "Microsoft.Storage.BlobCreated",
            "data": {},
            "topic": "/x",
            "subject": "y",
        }
        assert (await post(daemon, [unknown]))[0] == 200
        foreign = near_expiry(
            env.sandbox.azure.add_gateway("unknown", service="fabrikam"), env.expiry("oslo")
        )
        assert (await post(daemon, [foreign]))[0] == 200
        mixed = [{"broken": True}, near_expiry(env.azure("oslo"), env.expiry("oslo"))]
        assert (await post(daemon, mixed))[0] == 200
        await env.verified_at("oslo", 1)
        metrics = (await fetch(daemon, "/metrics"))[1]
        assert 'outcome="foreign",type="NearExpiry"} 1.0' in metrics
        assert (await fetch(daemon, "/healthz"))[0] == 200
        assert (await fetch(daemon, "/events", "webhook"))[0] == 405
        assert (await fetch(daemon, "/healthz", "webhook"))[0] == 404
    assert len(env.minted("oslo")) == 1


KEY = "config.service.auth.key"


def fill(env: ProcessEnv, gateway: str, data: dict[str, str]) -> None:
    """Replace all that is in the gateway's Secret."""
    d = env.gateways[gateway]
    env.sandbox.cluster.delete("Secret", d.namespace, d.secret)
    encoded = {k: base64.b64encode(v.encode()).decode() for k, v in data.items()}
    meta = {"name": d.secret, "namespace": d.namespace}
    env.sandbox.cluster.apply({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": encoded})


async def test_what_is_missing_is_told_by_name_while_the_others_rotate(env: ProcessEnv) -> None:
    for gateway in ("oslo", "no-secret", "no-key", "no-workload", "no-token", "anothers"):
        await env.deploy(gateway, days=3)
    cluster = env.sandbox.cluster
    anothers_token = env.azure("oslo").mint("primary", env.azure("oslo").minted[0].expires_at)
    untouched = {
        "no-key": {"other": "x"},
        "no-token": {KEY: "correct horse battery staple"},
        "anothers": {KEY: f"GatewayKey {anothers_token}"},
    }
    for gateway, data in untouched.items():
        fill(env, gateway, data)
    gone = env.gateways["no-secret"]
    cluster.delete("Secret", gone.namespace, gone.secret)
    env.extra = {"no-workload": 'workloads = ["deployment/gone"]', "no-key": f'key = "{KEY}"'}
    before = {g: cluster.get("Secret", f"apim-{g}", env.gateways[g].secret) for g in untouched}
    async with env.daemon() as daemon:
        await env.verified_at("oslo", 1)
        for gateway in env.gateways:
            await daemon.line(run_ended(gateway), WAIT_TIMEOUT)
        shown = json.loads((await fetch(daemon, "/api/v1/gateways"))[1])["gateways"]
    said = {g["name"]: g.get("message", "") for g in shown}
    assert "Secret apim-no-secret/apim-access-token does not exist" in said["no-secret"]
    assert f"has no key {KEY} (its keys: other)" in said["no-key"]
    assert "deployment/gone" in said["no-workload"] and "does not exist" in said["no-workload"]
    assert "is not a gateway token" in said["no-token"]
    assert "holds a token of gateway oslo, not of anothers" in said["anothers"]
    assert "correct horse" not in json.dumps(shown)
    for gateway, secret in before.items():
        after = cluster.get("Secret", f"apim-{gateway}", env.gateways[gateway].secret)
        assert secret and after and after["data"] == secret["data"], "what is not ours is not touched"


async def test_a_config_with_five_mistakes_names_all_five(env: ProcessEnv) -> None:
    await env.deploy("oslo")
    wrong = env.config.read_text().replace(
        'renew_before = "5d"', 'renew_before = "soon"\nrevoke = "sometimes"'
    )
    wrong = wrong.replace("allow_unauthenticated", "allow_everybody").replace(
        'listen = "127.0.0.1:0"', 'listen = "x"', 1
    )
    wrong = wrong.replace("/gateways/oslo", "/gateway/oslo")
    (env.directory / "wrong.toml").write_text(wrong)
    env.gateways.clear()
    process = await env.command_with(env.directory / "wrong.toml", "run")
    code, _, err = process
    assert code == 2
    for path in (
        "defaults.renew_before",
        "defaults.revoke",
        "webhook.allow_everybody",
        "webhook.listen",
        "resource_id",
    ):
        assert path in err, (path, err)


async def test_a_taken_port_and_a_missing_kubeconfig_are_told_in_a_sentence(env: ProcessEnv) -> None:
    await env.deploy("oslo")
    async with env.daemon() as daemon:
        text = env.config.read_text().replace(
            '[internal]\nlisten = "127.0.0.1:0"',
            f'[internal]\nlisten = "127.0.0.1:{port(daemon, "internal")}"',
        )
        other = env.directory / "taken.toml"
        other.write_text(text)
        code, _, err = await env.command_with(other, "run")
        number = port(daemon, "internal")
        assert code == 2 and f"internal.listen: port {number} is in use on 127.0.0.1. Stop what" in err
        assert "Traceback" not in err
    other.write_text(env.config.read_text().replace(str(env.sandbox.kubeconfig), "/nowhere/kubeconfig"))
    code, _, err = await env.command_with(other, "status")
    assert code == 2 and "there is no kubeconfig at /nowhere/kubeconfig" in err

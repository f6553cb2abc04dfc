"""Each mistake gets its clear answer, and the daemon keeps serving the rest."""

from __future__ import annotations

import base64
import json

import pytest

from rotator.sandbox.azure.events import near_expiry
from tests.process.town import PATIENCE, Town, fetch, port, post

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


async def test_bad_deliveries_are_answered_and_the_good_one_after_them_is_taken(town: Town) -> None:
    await town.settle("oslo")
    async with town.daemon() as daemon:
        await town.adopted("oslo")
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
            town.sandbox.azure.add_gateway("stranger", service="fabrikam"), town.expiry("oslo")
        )
        assert (await post(daemon, [foreign]))[0] == 200
        mixed = [{"broken": True}, near_expiry(town.azure("oslo"), town.expiry("oslo"))]
        assert (await post(daemon, mixed))[0] == 200
        await town.rests_at("oslo", 1)
        metrics = (await fetch(daemon, "/metrics"))[1]
        assert 'outcome="foreign",type="NearExpiry"} 1.0' in metrics
        assert (await fetch(daemon, "/healthz"))[0] == 200
        assert (await fetch(daemon, "/events", "webhook"))[0] == 405
        assert (await fetch(daemon, "/healthz", "webhook"))[0] == 404
    assert len(town.minted("oslo")) == 1


async def test_what_is_missing_is_told_by_name_while_the_others_rotate(town: Town) -> None:
    good = await town.settle("oslo", days=3)
    for gateway in ("no-secret", "no-key", "no-workload", "not-a-token", "anothers"):
        await town.settle(gateway, days=3)
    cluster = town.sandbox.cluster
    cases = {g: d for g, d in town.gateways.items() if d is not good}
    # All how-to gateways share their names; give each case a Secret of its own.
    token = town.azure("oslo").mint("primary", town.azure("oslo").minted[0].expires_at)
    put = {
        "no-key": {"other": "x"},
        "no-workload": None,
        "not-a-token": {"config.service.auth.key": "correct horse battery staple"},
        "anothers": {"config.service.auth.key": f"GatewayKey {token}"},
    }
    tables = [town.table(good)]
    for gateway, deployed in cases.items():
        name = f"secret-of-{gateway}"
        data = put.get(gateway)
        if data is None and gateway == "no-workload":
            own = town.azure(gateway)
            data = {"config.service.auth.key": own.mint("primary", own.minted[0].expires_at)}
        if data is not None:
            encoded = {k: base64.b64encode(v.encode()).decode() for k, v in data.items()}
            cluster.apply(
                {
                    "apiVersion": "v1",
                    "kind": "Secret",
                    "metadata": {"name": name, "namespace": "apim"},
                    "data": encoded,
                }
            )
        table = town.table(deployed).replace(f'secret = "{deployed.secret}"', f'secret = "{name}"')
        table += 'key = "config.service.auth.key"\n'
        table += 'workloads = ["deployment/gone"]\n' if gateway == "no-workload" else ""
        tables.append(table)
    town.gateways = {"oslo": good}
    town.settings += "".join(tables[1:])
    before = {
        n: cluster.get("Secret", "apim", f"secret-of-{n}") for n in ("no-key", "not-a-token", "anothers")
    }
    async with town.daemon() as daemon:
        await town.rests_at("oslo", 1)
        for gateway in cases:
            await daemon.line(
                lambda x, g=gateway: x["event"] == "step" and x["gateway"] == g and x["step"] == "Rest",
                PATIENCE,
            )
        shown = json.loads((await fetch(daemon, "/api/v1/gateways"))[1])["gateways"]
    said = {g["name"]: g["message"] for g in shown}
    assert "Secret apim/secret-of-no-secret does not exist" in said["no-secret"]
    assert "config.service.auth.key" in said["no-key"] and "other" in said["no-key"]
    assert "gone" in said["no-workload"] and "does not exist" in said["no-workload"]
    assert (
        "no gateway" in said["not-a-token"]
        or "not a" in said["not-a-token"]
        or "no token" in said["not-a-token"]
    )
    assert "oslo" in said["anothers"]
    assert "correct horse" not in json.dumps(shown)
    for name, secret in before.items():
        after = cluster.get("Secret", "apim", f"secret-of-{name}")
        assert secret and after and after["data"] == secret["data"], "what is not ours is not touched"


async def test_a_config_with_five_mistakes_names_all_five(town: Town) -> None:
    await town.settle("oslo")
    wrong = town.config.read_text().replace(
        'renew_before = "5d"', 'renew_before = "soon"\nrevoke = "after-verify"'
    )
    wrong = wrong.replace("allow_unauthenticated", "allow_everybody").replace(
        'listen = "127.0.0.1:0"', 'listen = "x"', 1
    )
    wrong = wrong.replace("/gateways/oslo", "/gateway/oslo")
    (town.directory / "wrong.toml").write_text(wrong)
    town.gateways.clear()
    process = await town.command_with(town.directory / "wrong.toml", "run")
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


async def test_a_taken_port_and_a_missing_kubeconfig_are_told_in_a_sentence(town: Town) -> None:
    await town.settle("oslo")
    async with town.daemon() as daemon:
        text = town.config.read_text().replace(
            '[internal]\nlisten = "127.0.0.1:0"',
            f'[internal]\nlisten = "127.0.0.1:{port(daemon, "internal")}"',
        )
        other = town.directory / "taken.toml"
        other.write_text(text)
        code, _, err = await town.command_with(other, "run")
        assert code == 3 and "in use" in err and "Traceback" not in err
    other.write_text(town.config.read_text().replace(str(town.sandbox.kubeconfig), "/nowhere/kubeconfig"))
    code, _, err = await town.command_with(other, "status")
    assert code == 3 and "/nowhere/kubeconfig" in err and "Traceback" not in err

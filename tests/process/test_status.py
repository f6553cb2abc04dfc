"""`rotator status` tells the truth at a glance: what the Secret holds, who runs it, what went wrong."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.process.default_settings import timing_out
from tests.process.process_env import ProcessEnv

pytestmark = pytest.mark.process


async def table(env: ProcessEnv, *words: str) -> tuple[list[str], str]:
    """Return the row of the one gateway, and all that stands below it."""
    _, out, err = await env.command("status", *words)
    head, row, *rest = out.splitlines()
    assert err == "" and head.split()[-1] == "PODS"
    return row.split(), "\n".join(rest)


async def test_the_table_follows_a_token_from_the_day_it_was_found(env: ProcessEnv) -> None:
    d = await env.deploy("oslo", replicas=2)
    found, _ = await table(env)
    assert found[:4] == ["oslo", "→", "Adopt", d.token_fingerprint]
    assert found[4] == "primary" and found[-1] == "?/2"

    async with env.daemon():
        await env.adopted("oslo")
    adopted, _ = await table(env)
    assert adopted[1:4] == ["Settled", d.token_fingerprint, "primary"] and adopted[-1] == "~2/2"

    await env.command("rotate-now", "oslo")
    rotated, _ = await table(env)
    assert rotated[1:4] == ["Settled", env.notes("oslo")["fingerprint"], "secondary"]
    assert rotated[-1] == "2/2"

    other_token = env.azure("oslo").mint("primary", env.expiry("oslo") - timedelta(days=9))
    env.sandbox.cluster.patch(
        "Secret", d.namespace, d.secret, {"stringData": {d.key: f"GatewayKey {other_token}"}}
    )
    changed, _ = await table(env)
    assert changed[1:3] == ["→", "Write"] and changed[-1] == "?/2"
    assert changed[3] != env.notes("oslo")["fingerprint"], (
        "it shows what the Secret holds, not what is on record"
    )


async def test_an_expired_token_is_seen_as_such_before_adoption(env: ProcessEnv) -> None:
    d = await env.deploy("oslo", days=-1)
    row, _ = await table(env)
    assert row[:4] == ["oslo", "→", "Issue", d.token_fingerprint] and row[-3:] == ["expired", "due", "?/1"]


async def test_after_a_roll_back_it_says_what_failed_and_when_it_is_tried_again(env: ProcessEnv) -> None:
    d = await env.deploy("oslo")
    await env.command("rotate-now", "oslo")
    good = env.notes("oslo")["fingerprint"]
    env.settings = timing_out("2s")
    env.sandbox.cluster.set_pod_fault(d.namespace, d.workload.partition("/")[2], "crash-loop")
    assert (await env.command("rotate-now", "oslo", "--force"))[0] == 5

    row, below = await table(env)

    assert row[1:3] == ["RolledBack", good]
    assert (
        "oslo: the rollout failed once and was rolled back; a new token (Requested) is tried after 20"
        in below
    )
    assert f"the Event RolloutFailed says what failed: kubectl -n {d.namespace} events --for secret/" in below
    assert " 29 min " in " ".join(row) and row[-1] == "1/1"


async def test_a_freeze_that_is_over_is_warned_of(env: ProcessEnv) -> None:
    await env.deploy("oslo")
    env.settings = "freeze = 2020-01-01T00:00:00Z"
    code, out, err = await env.command("status")
    assert code == 0 and out.startswith("GATEWAY")
    assert err.startswith("warning: ") and "freeze = 2020-01-01T00:00:00+00:00 is over" in err
    async with env.daemon() as daemon:
        line = next(x for x in daemon.lines if x["event"] == "something odd in the configuration")
    assert line["level"] == "warning" and "gateway oslo. Take the line out" in line["why"]

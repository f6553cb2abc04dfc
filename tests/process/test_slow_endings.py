"""Pods that take longer to end than a rollout may take: with long grace periods, or on a node that is gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox import Sandbox
from tests.process.process_env import WAIT_TIMEOUT, ProcessEnv, run_ended

pytestmark = pytest.mark.process


async def test_pods_that_take_long_to_end_undo_no_rotation_and_are_waited_for(tmp_path: Path) -> None:
    async with Sandbox(tmp_path, ready_delay=0.1, term_delay=8.0) as sandbox:
        env = ProcessEnv(sandbox, tmp_path)
        env.settings = 'rollout_timeout = "3s"\nrecheck = "1s"\nlook_every = "1s"\n'
        await env.deploy("oslo", replicas=2)
        async with env.daemon() as daemon:
            await env.adopted("oslo")
            await env.deliver_near_expiry("oslo", daemon)
            line = await daemon.line(
                lambda x: run_ended("oslo")(x) and "Issue" in x.get("steps", []), WAIT_TIMEOUT
            )
            assert "RollBack" not in line["steps"]
            assert "terminating" in str(line), "it does not say what is missing"
            await env.verified_at("oslo", 1)
        assert len(env.minted("oslo")) == 1
        await env.pods_run_the_secrets_token("oslo")

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
import yaml

from rotator.config import load
from rotator.daemon import resources
from rotator.daemon.listeners import Listeners
from tests.daemon.test_config_reload import GOOD, KUBECONFIG
from tests.loop_clock import Later

WRITE_AND_HANG = 'echo $$ > "$0"; exec sleep 600'


async def test_a_plugin_that_hangs_is_not_waited_for_for_ever_and_does_not_stay(
    tmp_path: Path, later: Later
) -> None:
    (config := tmp_path / "config.toml").write_text(GOOD)
    (tmp_path / "kube").mkdir()
    told = tmp_path / "pid"
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never"}
    plugin |= {"command": "sh", "args": ["-c", WRITE_AND_HANG, str(told)]}
    users = [{"name": "a", "user": {"exec": plugin}}]
    (tmp_path / "kube" / "config").write_text(yaml.safe_dump(KUBECONFIG | {"users": users}))
    settings = load(config, {})
    preparing = asyncio.create_task(resources.prepare(settings, {}, "me", Listeners({})))
    while not told.exists() or not told.read_text().endswith("\n"):
        await asyncio.sleep(0.01)
    await later.by(resources.CREDENTIALS_TIMEOUT)
    with pytest.raises(resources.PluginTimeout, match="exec plugin"):
        await preparing
    with pytest.raises(ProcessLookupError):
        os.kill(int(told.read_text()), 0)

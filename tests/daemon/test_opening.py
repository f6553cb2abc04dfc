from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from rotator.config import load
from rotator.daemon import opening
from rotator.daemon.doors import Doors
from tests.daemon.test_reload import GOOD, KUBECONFIG

PLUGIN = {"apiVersion": "client.authentication.k8s.io/v1", "command": "sleep", "args": ["5"]}


async def test_a_plugin_that_hangs_is_not_waited_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "PATIENCE", 0.2)
    (config := tmp_path / "config.toml").write_text(GOOD)
    (tmp_path / "kube").mkdir()
    users = [{"name": "a", "user": {"exec": PLUGIN | {"interactiveMode": "Never"}}}]
    (tmp_path / "kube" / "config").write_text(yaml.safe_dump(KUBECONFIG | {"users": users}))
    with pytest.raises(opening.Hanging, match="exec plugin"):
        await opening.prepare(load(config, {}), {}, "me", Doors({}), lambda _, __: None)

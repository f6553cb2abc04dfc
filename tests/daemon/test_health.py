from __future__ import annotations

import logging
from datetime import timedelta

import pytest

from rotator.daemon import health as module
from rotator.daemon.health import HealthChecks
from rotator.errors import Unavailable

LEAK = "GatewayKey oslo&202911150000&invented"


async def test_a_proof_is_tried_until_it_succeeds_whatever_it_raises(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(module, "gateway_delay", lambda *_: timedelta())
    raised = [KeyError(LEAK), KeyError(LEAK), RecursionError(LEAK), Unavailable("Azure is away")]
    told: list[str] = []
    checks = HealthChecks("azure")

    async def proof() -> None:
        assert not checks.health().ready
        if raised:
            raise raised.pop(0)

    await checks.prove("azure", proof, lambda check, why: told.append(f"{check}: {why}"))
    assert checks.health().ready
    assert [why.partition(" (")[2] for why in told] == ["KeyError)", "RecursionError)", ""]
    assert LEAK not in caplog.text + str(told)

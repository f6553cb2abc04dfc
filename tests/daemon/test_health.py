from __future__ import annotations

import logging
from datetime import timedelta

import pytest

from rotator.daemon import health as module
from rotator.daemon.health import Readiness
from rotator.errors import Unavailable

LEAK = "GatewayKey oslo&202911150000&invented"


async def test_a_proof_is_tried_until_it_succeeds_whatever_it_raises(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(module, "gateway_delay", lambda *_: timedelta())
    raised = [KeyError(LEAK), KeyError(LEAK), RecursionError(LEAK), Unavailable("Azure is away")]
    told: list[str] = []
    readiness = Readiness("azure")

    async def proof() -> None:
        assert not readiness.health().ready
        if raised:
            raise raised.pop(0)

    await readiness.prove("azure", proof, lambda check, why: told.append(f"{check}: {why}"))
    assert readiness.health().ready
    assert [why.partition(" (")[2] for why in told] == ["KeyError)", "RecursionError)", ""]
    assert LEAK not in caplog.text + str(told)

"""What may happen to one gateway, drawn at random."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import timedelta

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from rotator.core.records import Key, Revocation
from rotator.errors import RotatorError
from rotator.rotation import Gateway
from tests.rotation.dsl import DAY, HOUR, fleet, gateway_with, heal, request_rotation, run
from tests.world import LEASE, Crash, World

GAPS = [timedelta(), timedelta(minutes=2), HOUR, DAY, 9 * DAY, 19 * DAY, 26 * DAY]

KINDS = [
    "crash",
    "evict",
    "takeover",
    "both",
    "set-back",
    "newer",
    "regenerate",
    "replace-all",
    "away",
    "azure-down",
    "stuck",
    "lie",
    "close",
    "request",
    "leak",
    "heal",
]

EVENT = st.tuples(st.sampled_from(KINDS), st.integers(1, 14), st.integers(0, 7))

PASS = st.tuples(st.lists(EVENT, max_size=3), st.sampled_from(GAPS))

SCENE = {
    "passes": st.lists(PASS, max_size=7),
    "targets": st.integers(1, 3),
    "workloads": st.integers(1, 2),
    "revoke": st.sampled_from(Revocation),
    "deterministic": st.sampled_from([True, True, True, False]),
    "joins": st.sampled_from(["", "", "other", "expired", "empty"]),
}

FEW = settings(
    max_examples=int(os.environ.get("N", "300")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[p for p in Phase if p is not Phase.shrink or os.environ.get("SHRINK") != "no"],
)


def happen(w: World, gw: Gateway, kind: str, i: int) -> None:
    clusters = list(w.targets.values())
    c = clusters[i % len(clusters)]
    d = list(c.workloads.values())[i % len(c.workloads)]
    match kind:
        case "crash":
            raise Crash
        case "evict":
            w.evict(c, d, d.pods[i % len(d.pods)].name)
        case "takeover":
            w.pass_time(LEASE + timedelta(minutes=1))
            run(w, gw)
        case "both":
            run(w, gw)
        case "set-back":
            c.value, c.version = (
                w.mint(Key.SECONDARY, max(w.expiry(c.value) - DAY, w.now + HOUR)),
                c.version + 1,
            )
        case "newer":
            c.value, c.version = w.mint(list(Key)[i % 2], w.now + 29 * DAY + HOUR), c.version + 1
        case "regenerate":
            w.generation[list(Key)[i % 2]] += 1
        case "replace-all":
            c.value, c.record, c.request, c.version = (
                w.mint(Key.SECONDARY, w.now + 5 * DAY),
                None,
                None,
                c.version + 1,
            )
        case "away":
            c.reachable = not c.reachable
        case "azure-down":
            w.azure = not w.azure
        case "stuck":
            d.stuck = True
        case "lie":
            d.pods[0].works = False
        case "close":
            w.open_window = not w.open_window
        case "request" | "leak":
            with suppress(RotatorError):
                request_rotation(w, leak=kind == "leak")
        case "heal":
            schedule, w.schedule = w.schedule, {}
            heal(w)
            w.schedule = schedule


def live(passes, targets, workloads, revoke, deterministic, joins, skip=()):  # type: ignore[no-untyped-def]
    w, gw = fleet(targets, workloads, deterministic=deterministic), gateway_with(revoke)
    if joins:
        w.join("joins", joins, workloads)
    for events, gap in passes:
        w.schedule = {}
        for kind, at, i in events:
            if kind not in skip:
                w.schedule.setdefault(w.points + at, []).append(lambda k=kind, i=i: happen(w, gw, k, i))
        run(w, gw)
        w.pass_time(gap)
    w.schedule = {}
    return w, gw

"""What the commands share: settings, the gateways to work on, the services for them."""

from __future__ import annotations

import asyncio
import difflib
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path

from rotator.app.bootstrap import Services, open_services, person_identity
from rotator.app.clock import utc_now
from rotator.cli.exits import Exit, UsageError
from rotator.config import Settings, load, warnings
from rotator.telemetry.logs import configure

Work = Callable[[Services], Awaitable[Exit]]


def work_on(config: Path, names: Sequence[str], work: Work) -> Exit:
    """Run work on the named gateways; without names, on all. Ctrl-C lets it finish its step.

    Raises:
        ConfigError: the configuration has errors.
        UsageError: the configuration has no gateway with a name.
    """
    settings = load(config, os.environ)
    for sentence in warnings(settings, utc_now()):
        print(f"warning: {config}: {sentence}", file=sys.stderr)
    configure("warning", settings.log.format)
    for library in ("azure", "kubernetes", "msal"):
        logging.getLogger(library).setLevel(logging.CRITICAL)  # the command prints a better message
    return asyncio.run(_work_on(only(settings, names), work))


def only(settings: Settings, names: Sequence[str]) -> Settings:
    known = {g.name: g for g in settings.gateways}
    if unknown := [n for n in names if n not in known]:
        close = difflib.get_close_matches(unknown[0], known, n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        raise UsageError(
            f"no gateway is called {', '.join(map(repr, unknown))}.{hint} Known: {', '.join(sorted(known))}"
        )
    chosen = tuple(known[n] for n in dict.fromkeys(names)) if names else settings.gateways
    return replace(settings, gateways=chosen)


async def _work_on(settings: Settings, work: Work) -> Exit:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(sign, stop.set)
    async with open_services(settings, os.environ, person_identity(), stop) as services:
        return await work(services)

"""`rotator run`: serves until it is asked to leave, one generation after the other."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
from collections.abc import Mapping
from pathlib import Path

from rotator.app.bootstrap import daemon_identity
from rotator.app.clock import GRACE, utc_now
from rotator.app.status import Json
from rotator.config import Settings, warnings
from rotator.daemon.config_reload import Asked, Reload
from rotator.daemon.config_status import CONFIG, Verdict
from rotator.daemon.generation import PULL, Generation
from rotator.daemon.health import Readiness
from rotator.daemon.listeners import INTERNAL, WEBHOOK, Listeners
from rotator.daemon.public_port import public_app
from rotator.daemon.resources import Resources, prepare, shut
from rotator.daemon.swappable_app import SwappableApp
from rotator.errors import ConfigError
from rotator.telemetry.logs import configure
from rotator.telemetry.metrics import Metrics
from rotator.web.internal import Health, internal_app
from rotator.web.limits import MAX_INTERNAL_BYTES, BodyLimit

log = logging.getLogger(__name__)


async def serve(config: Path, environ: Mapping[str, str]) -> None:
    """Serve until SIGTERM or SIGINT; then take no more events, finish the steps under way, and return.
    SIGHUP has the configuration looked at now, not within seconds.

    Raises:
        ConfigError: the configuration cannot be used as the process starts (a mistake, a port that is taken);
            later the one before stays.
        Unavailable: a file that is needed to connect is not there (yet).
    """
    asked = Asked()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, asked.to_leave)
    loop.add_signal_handler(signal.SIGHUP, asked.to_reload)
    await Daemon(config, environ, asked).run()


class Daemon:
    """What lives as long as the process: the ports, the metrics, the health; and who is at work."""

    def __init__(self, config: Path, environ: Mapping[str, str], asked: Asked) -> None:
        self.environ = environ
        self.asked = asked
        self.identity = daemon_identity(environ)
        self.metrics = Metrics(())
        self.readiness = Readiness(CONFIG, "kubernetes", "azure", WEBHOOK)
        self.verdict = Verdict(self.metrics, self.readiness, environ)
        self.webhook = SwappableApp()
        internal = internal_app(self.health, self.metrics.render, self.status)
        limited = BodyLimit(internal, MAX_INTERNAL_BYTES, GRACE.total_seconds())
        self.listeners = Listeners({INTERNAL: limited, WEBHOOK: public_app(self.webhook)})
        self.reload = Reload(
            config, environ, asked, self.prepare, self.verdict.refused, self.verdict.accepted
        )
        self.present: Generation | None = None

    async def run(self) -> None:
        resources: Resources | None = await self.reload.first()
        async with asyncio.TaskGroup() as group:
            while resources:
                resources = await self.live(resources, group)
                if resources and self.asked.leave:
                    await resources.stack.aclose()
                    resources = None
                    self.leave()
            self.listeners.close(INTERNAL)
        log.info("left")

    async def live(self, resources: Resources, group: asyncio.TaskGroup) -> Resources | None:
        """Let one generation work. Returns what the next one needs, or None if there shall be none."""
        async with resources.stack, asyncio.TaskGroup() as own:
            first = self.present is None
            self.configure(resources.settings)
            generation = self.present = Generation(resources, self.metrics, self.readiness, own)
            self.verdict.events = resources.services.events
            self.verdict.accepted()
            generation.begin("start" if first else "reload")
            self.listeners.open(resources.settings, resources.bound, group)
            self.webhook.swap(generation.webhook())
            self.readiness.fine(CONFIG)
            self.readiness.fine(WEBHOOK)
            self.tell("started" if first else "reloaded", resources.settings)
            remember()
            following = await self.reload.following()
            if following:
                log.info("reload: the generation before ends")
                self.webhook.pause()
            else:
                self.leave()
            await generation.end(self.webhook)
        return following

    def leave(self) -> None:
        log.info("leaving: no more events, the steps under way are finished")
        self.readiness.failed(WEBHOOK, "leaving")
        self.webhook.close()
        self.listeners.close(WEBHOOK)

    async def prepare(self, settings: Settings) -> Resources:
        if self.present is None:
            configure(settings.log.level, settings.log.format)
        resources = await prepare(settings, self.environ, self.identity, self.listeners)
        if self.present and (why := shut(resources.authenticator)):
            await resources.stack.aclose()  # the generation at work has secrets that still let people in
            raise ConfigError((f"webhook.secret_file: {why}",))
        if self.present and self.present.authenticator and resources.authenticator:
            resources.authenticator.inherit(self.present.authenticator)
        return resources

    def configure(self, settings: Settings) -> None:
        configure(settings.log.level, settings.log.format)
        self.metrics.follow(g.name for g in settings.gateways)
        checks = (CONFIG, "kubernetes", "azure", WEBHOOK)
        self.readiness.expect(*checks, *([PULL] if settings.pull else []))
        if not settings.pull:
            self.readiness.warn(PULL, "")

    def health(self) -> Health:
        if self.present:
            authenticator = self.present.authenticator
            self.readiness.warn(WEBHOOK, authenticator.problem() if authenticator else "")
        return self.readiness.health()

    def status(self) -> Json:
        return self.present.status.show() if self.present else {"gateways": []}

    def tell(self, event: str, settings: Settings) -> None:
        gateways, ports = [g.name for g in settings.gateways], self.listeners.ports
        for sentence in warnings(settings, utc_now()):
            log.warning("something odd in the configuration", extra={"why": sentence})
        log.info(event, extra={"identity": self.identity, "gateways": gateways, "ports": ports})


def remember() -> None:
    """What is loaded now stays: no long pause of the garbage collector for it later."""
    gc.unfreeze()  # of the generation before
    gc.collect()
    gc.freeze()

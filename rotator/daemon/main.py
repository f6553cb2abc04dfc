"""`rotator run`: serves one generation after the other until a signal ends the process."""

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
from rotator.daemon.config_reload import ConfigReload, Signals
from rotator.daemon.config_status import CONFIG, ConfigStatus
from rotator.daemon.generation import PULL, Generation
from rotator.daemon.health import HealthChecks
from rotator.daemon.listeners import INTERNAL, WEBHOOK, Listeners
from rotator.daemon.public_port import public_app
from rotator.daemon.resources import Resources, prepare, unusable_secret
from rotator.daemon.swappable_app import SwappableApp
from rotator.errors import ConfigError
from rotator.telemetry.logs import configure
from rotator.telemetry.metrics import Metrics
from rotator.web.internal import Health, internal_app
from rotator.web.limits import MAX_INTERNAL_BYTES, BodyLimit

log = logging.getLogger(__name__)


async def serve(config: Path, environ: Mapping[str, str]) -> None:
    """Serve until SIGTERM or SIGINT; then accept no more events, finish the steps under way, and return.
    SIGHUP checks the configuration now instead of within seconds.

    Raises:
        ConfigError: the first configuration cannot be used (an error, a port in use). A later one that
            cannot be used leaves the previous one in force.
        Unavailable: a file that is needed to connect does not exist yet.
    """
    signals = Signals()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, signals.to_leave)
    loop.add_signal_handler(signal.SIGHUP, signals.to_reload)
    await Daemon(config, environ, signals).run()


class Daemon:
    """What lives as long as the process: listeners, metrics, health checks; and the present generation."""

    def __init__(self, config: Path, environ: Mapping[str, str], signals: Signals) -> None:
        self.environ = environ
        self.signals = signals
        self.identity = daemon_identity(environ)
        self.metrics = Metrics(())
        self.checks = HealthChecks(CONFIG, "kubernetes", "azure", WEBHOOK)
        self.config_status = ConfigStatus(self.metrics, self.checks, environ)
        self.webhook = SwappableApp()
        internal = internal_app(self.health, self.metrics.render, self.status)
        limited = BodyLimit(internal, MAX_INTERNAL_BYTES, GRACE.total_seconds())
        self.listeners = Listeners({INTERNAL: limited, WEBHOOK: public_app(self.webhook)})
        self.reload = ConfigReload(
            config, environ, signals, self.prepare, self.config_status.refused, self.config_status.accepted
        )
        self.present: Generation | None = None

    async def run(self) -> None:
        resources: Resources | None = await self.reload.first()
        async with asyncio.TaskGroup() as group:
            while resources:
                resources = await self.live(resources, group)
                if resources and self.signals.leave:
                    await resources.stack.aclose()
                    resources = None
                    self.leave()
            self.listeners.close(INTERNAL)
        log.info("stopped")

    async def live(self, resources: Resources, group: asyncio.TaskGroup) -> Resources | None:
        """Run one generation. Return the resources of the next one; None when the process leaves."""
        async with resources.stack, asyncio.TaskGroup() as own:
            first = self.present is None
            self.configure(resources.settings)
            generation = self.present = Generation(resources, self.metrics, self.checks, own)
            self.config_status.events = resources.services.events
            self.config_status.accepted()
            generation.begin("start" if first else "reload")
            self.listeners.open(resources.settings, resources.bound, group)
            self.webhook.swap(generation.webhook())
            self.checks.fine(CONFIG)
            self.checks.fine(WEBHOOK)
            self.tell("started" if first else "reloaded", resources.settings)
            freeze_loaded_objects()
            following = await self.reload.following()
            if following:
                log.info("reload: the previous generation ends")
                self.webhook.pause()
            else:
                self.leave()
            await generation.end(self.webhook)
        return following

    def leave(self) -> None:
        log.info("stopping: takes no more events and finishes the steps under way")
        self.checks.failed(WEBHOOK, "stopping")
        self.webhook.close()
        self.listeners.close(WEBHOOK)

    async def prepare(self, settings: Settings) -> Resources:
        if self.present is None:
            configure(settings.log.level, settings.log.format)
        resources = await prepare(settings, self.environ, self.identity, self.listeners)
        if self.present and (why := unusable_secret(resources.authenticator)):
            await resources.stack.aclose()  # the present generation still has valid secrets
            raise ConfigError((f"webhook.secret_file: {why}",))
        if self.present and self.present.authenticator and resources.authenticator:
            resources.authenticator.inherit(self.present.authenticator)
        return resources

    def configure(self, settings: Settings) -> None:
        configure(settings.log.level, settings.log.format)
        self.metrics.follow(g.name for g in settings.gateways)
        checks = (CONFIG, "kubernetes", "azure", WEBHOOK)
        self.checks.expect(*checks, *([PULL] if settings.pull else []))
        if not settings.pull:
            self.checks.warn(PULL, "")

    def health(self) -> Health:
        if self.present:
            authenticator = self.present.authenticator
            self.checks.warn(WEBHOOK, authenticator.problem() if authenticator else "")
        return self.checks.health()

    def status(self) -> Json:
        return self.present.status.show() if self.present else {"gateways": []}

    def tell(self, event: str, settings: Settings) -> None:
        gateways, ports = [g.name for g in settings.gateways], self.listeners.ports
        for sentence in warnings(settings, utc_now()):
            log.warning("something odd in the configuration", extra={"why": sentence})
        log.info(event, extra={"identity": self.identity, "gateways": gateways, "ports": ports})


def freeze_loaded_objects() -> None:
    """Exempt what is loaded now from garbage collection, so that later collections are short."""
    gc.unfreeze()  # the previous generation
    gc.collect()
    gc.freeze()

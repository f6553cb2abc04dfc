"""All that works by one reading of the configuration. The next reading gets a generation of its own."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

from starlette.types import ASGIApp

from rotator.app.clock import GRACE, set_back
from rotator.app.status_cache import StatusCache
from rotator.azure.eventgrid_client import EventGridClient
from rotator.daemon.health import Readiness, sentence
from rotator.daemon.public_port import delivery_app
from rotator.daemon.resources import Resources
from rotator.daemon.swappable_app import SwappableApp
from rotator.daemon.work.event_handler import EventHandler
from rotator.daemon.work.runner import Runner
from rotator.daemon.work.schedule import Schedule
from rotator.daemon.work.workqueue import WorkQueue
from rotator.errors import Unavailable
from rotator.eventgrid.pull.puller import Puller
from rotator.kube import check_access
from rotator.telemetry.metrics import Metrics

log = logging.getLogger(__name__)
PULL = "pull"
LEFT_ALONE = timedelta(minutes=1)
"""So long at most is Azure left alone, where it asks for that, before the next gateway is looked for."""


class Generation:
    """The rooms, wired: events and schedule wake, the runner works. Its tasks live in group."""

    def __init__(
        self, resources: Resources, metrics: Metrics, readiness: Readiness, group: asyncio.TaskGroup
    ) -> None:
        self.services = services = resources.services
        self.settings = services.settings
        self.authenticator = resources.authenticator
        self.metrics = metrics
        self.readiness = readiness
        self.group = group
        self.schedule = Schedule(lambda name: self.workqueue.wake(name, "schedule"))
        self.status = StatusCache(services.gateways, self.schedule.due)
        runner = Runner(
            services, metrics, self.status, self.schedule.set, self.settings.rotation.schedule_jitter
        )
        self.workqueue = WorkQueue(runner.work, group)
        self.event_handler = EventHandler(services.gateways, self.workqueue.wake)
        self.helpers: list[asyncio.Task[None]] = []
        """Tasks that are no runs: they are cancelled when the generation ends."""

    def begin(self, cause: str) -> None:
        """Wake every gateway; from now on events and the schedule do."""
        work = [self.prove_kubernetes(), self.prove_azure(), self.follow_the_clock()]
        if self.settings.pull:
            work.append(self.pull())
        self.helpers = [self.group.create_task(w) for w in work]
        self.schedule.start()
        for name in self.services.gateways:
            self.workqueue.wake(name, cause)

    def webhook(self) -> ASGIApp:
        """Return what answers deliveries at the public port."""
        return delivery_app(
            self.settings.webhook, self.authenticator, self.event_handler.handle, self.metrics.event
        )

    async def end(self, webhook: SwappableApp) -> None:
        """Begin nothing more, and let requests and steps under way end: webhook passes on none any more.

        One that hangs is left, for its outcome can be looked up.
        """
        self.services.clock.stop.set()
        self.schedule.stop()
        self.workqueue.close()
        for task in self.helpers:
            task.cancel()
        try:
            async with asyncio.timeout(GRACE.total_seconds()):
                await asyncio.gather(self.workqueue.idle(), webhook.idle())
        except TimeoutError:
            log.warning("a step or a request hangs: going on without it")
            self.workqueue.abandon()

    async def follow_the_clock(self) -> None:
        """Look at every gateway when this machine's clock was set back: each then gets a new due time."""
        while True:
            await set_back()
            log.warning("this machine's clock was set back: looking at every gateway")
            for name in self.services.gateways:
                self.workqueue.wake(name, "clock")

    async def pull(self) -> None:
        arm, settings = self.services.arm, self.settings.pull
        if settings:
            await Puller(
                settings,
                EventGridClient(settings, arm.credentials, arm.transport),
                self.event_handler.handle,
                self.metrics.event,
                tell=self.pulled,
            ).run()

    def pulled(self, problem: str) -> None:
        """Pulling has to work once; later the schedule makes up for it, and a warning is enough."""
        if not problem:
            self.metrics.pulled(self.services.clock.now())
            self.readiness.fine(PULL)
        elif self.readiness.health().checks[PULL]:
            self.readiness.failed(PULL, problem)
        self.readiness.warn(PULL, problem)

    async def prove_kubernetes(self) -> None:
        """Show that the home cluster answers: others may be away for as long as they like."""
        at = self.services.clusters.at
        targets = (t for g in self.settings.gateways for t in g.targets if at(t.context).at_home)
        if (target := next(targets, None)) is None:
            gateway = next(iter(self.services.gateways.values()))
            await self.readiness.prove("kubernetes", gateway.lease.read, unproven)
            return
        await self.readiness.prove(
            "kubernetes",
            lambda: check_access(self.services.clusters.home, target.namespace, target.secret),
            unproven,
        )

    async def prove_azure(self) -> None:
        first, *others = self.settings.gateways
        await self.readiness.prove("azure", lambda: self.services.arm.preflight(first.resource_id), unproven)
        for gateway in others:  # a mistyped id shall be told now, not at its renewal
            try:
                await self.services.arm.preflight(gateway.resource_id)
            except Unavailable as error:
                log.debug("Azure could not be asked for gateway %s: %s", gateway.name, error)
                await asyncio.sleep(min(error.retry_after or timedelta(), LEFT_ALONE).total_seconds())
            except Exception as error:  # noqa: BLE001 - a helper that dies would take all work with it
                unproven(f"azure, gateway {gateway.name}", sentence(error))


def unproven(check: str, sentence: str) -> None:
    log.warning("not ready yet", extra={"check": check, "why": sentence})

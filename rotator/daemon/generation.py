"""Everything that works by one version of the configuration. The next version gets its own generation."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

from starlette.types import ASGIApp

from rotator.app.clock import GRACE, set_back
from rotator.app.status_cache import StatusCache
from rotator.azure.eventgrid_client import EventGridClient
from rotator.daemon.health import HealthChecks, sentence
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
MAX_AZURE_PAUSE = timedelta(minutes=1)
"""Bounds how long the check of one gateway's resource_id waits because Azure asked for a pause."""


class Generation:
    """Connects schedule, events, workqueue and runner. All tasks belong to group."""

    def __init__(
        self, resources: Resources, metrics: Metrics, checks: HealthChecks, group: asyncio.TaskGroup
    ) -> None:
        self.services = services = resources.services
        self.settings = services.settings
        self.authenticator = resources.authenticator
        self.metrics = metrics
        self.checks = checks
        self.group = group
        self.schedule = Schedule(lambda name: self.workqueue.wake(name, "schedule"))
        self.status = StatusCache(services.gateways, self.schedule.due)
        runner = Runner(
            services, metrics, self.status, self.schedule.set, self.settings.rotation.schedule_jitter
        )
        self.workqueue = WorkQueue(runner.work, group)
        self.event_handler = EventHandler(services.gateways, self.workqueue.wake)
        self.helpers: list[asyncio.Task[None]] = []
        """Tasks beside the runs; end() cancels them."""

    def begin(self, cause: str) -> None:
        """Start the schedule and the helpers, and wake every gateway."""
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
        """Start no new work; wait for the requests and steps under way. webhook has to be paused or closed.

        Abandon what still runs after the grace period: its effects are on the objects.
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
        """Wake every gateway when this machine's clock was set back, so that each gets a new due time."""
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
                report=self.pulled,
            ).run()

    def pulled(self, problem: str) -> None:
        """Report how the last request for events ended. Once pulling has worked, a problem is only a warning,
        because the schedule finds what events would have told.
        """
        if not problem:
            self.metrics.pulled(self.services.clock.now())
            self.checks.fine(PULL)
        elif self.checks.health().checks[PULL]:
            self.checks.failed(PULL, problem)
        self.checks.warn(PULL, problem)

    async def prove_kubernetes(self) -> None:
        """Check access to the home cluster. Readiness does not depend on other clusters."""
        at = self.services.clusters.at
        targets = (t for g in self.settings.gateways for t in g.targets if at(t.context).at_home)
        if (target := next(targets, None)) is None:
            gateway = next(iter(self.services.gateways.values()))
            await self.checks.prove("kubernetes", gateway.lease.read, unproven)
            return
        await self.checks.prove(
            "kubernetes",
            lambda: check_access(self.services.clusters.home, target.namespace, target.secret),
            unproven,
        )

    async def prove_azure(self) -> None:
        """Check access to Azure, then log every resource_id that Azure does not know."""
        first, *others = self.settings.gateways
        await self.checks.prove("azure", lambda: self.services.arm.preflight(first.resource_id), unproven)
        for gateway in others:  # report a mistyped id now, not at the gateway's renewal
            try:
                await self.services.arm.preflight(gateway.resource_id)
            except Unavailable as error:
                log.debug("Azure could not be asked for gateway %s: %s", gateway.name, error)
                await asyncio.sleep(min(error.retry_after or timedelta(), MAX_AZURE_PAUSE).total_seconds())
            except Exception as error:  # noqa: BLE001 - a helper that raises would cancel all work
                unproven(f"azure, gateway {gateway.name}", sentence(error))


def unproven(check: str, sentence: str) -> None:
    log.warning("not ready yet", extra={"check": check, "why": sentence})

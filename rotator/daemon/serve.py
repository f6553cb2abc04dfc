"""`rotator run`: serves until it is asked to leave."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import timedelta

from starlette.types import ASGIApp

from rotator.config import Settings
from rotator.daemon.board import Board
from rotator.daemon.clock import SystemClock
from rotator.daemon.dispatch import Dispatcher
from rotator.daemon.readiness import Readiness
from rotator.daemon.runner import Runner
from rotator.daemon.site import Site, daemon_identity, open_site
from rotator.errors import Refused, Unavailable
from rotator.kube import prove
from rotator.telemetry.metrics import Metrics
from rotator.triggers.schedule import Schedule
from rotator.triggers.wakeups import Wakeups
from rotator.triggers.webhook import webhook_app
from rotator.web.internal import internal_app
from rotator.web.limits import BodyLimit
from rotator.web.server import Server, bind

log = logging.getLogger(__name__)
GRACE = timedelta(seconds=10)
"""How long requests and the step under way may take after SIGTERM (Kubernetes grants 30 s)."""

SMALL_BODY = 1024
"""Nobody has to send anything to the internal port."""


async def serve(settings: Settings, environ: Mapping[str, str]) -> None:
    """Serve until SIGTERM or SIGINT; then take no more events, finish the steps under way, and return.

    Raises:
        Refused: a port is taken.
        ConfigError: what is needed to connect is missing.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(sign, stop.set)
    identity = daemon_identity(environ)
    async with AsyncExitStack() as stack:
        site = await stack.enter_async_context(open_site(settings, environ, identity))
        await Daemon(site, stop).run(identity)


class Daemon:
    """The rooms, wired: events and schedule wake, the runner works, the ports show."""

    def __init__(self, site: Site, stop: asyncio.Event) -> None:
        self.site = site
        self.stop = stop
        self.clock = SystemClock(stop)
        self.metrics = Metrics(site.units)
        self.schedule = Schedule(lambda name: self.wake(name, "schedule"))
        self.board = Board(site.units, self.schedule.due)
        self.readiness = Readiness("config", "kubernetes", "azure", "webhook")
        self.runner = Runner(
            site.units,
            self.clock,
            self.metrics,
            site.events,
            self.board,
            self.schedule.set,
            site.settings.rotation.schedule_jitter,
        )
        self.wakeups: Wakeups

    async def run(self, identity: str) -> None:
        servers = self.servers()
        self.readiness.fine("config")
        async with asyncio.TaskGroup() as group:
            self.wakeups = Wakeups(self.runner.work, group)
            serving = [group.create_task(server.serve()) for server in servers.values()]
            proofs = [group.create_task(self.prove_kubernetes()), group.create_task(self.prove_azure())]
            self.schedule.start()
            for name in self.site.units:
                self.wake(name, "start")
            self.readiness.fine("webhook")
            ports = {name: server.port for name, server in servers.items()}
            log.info(
                "started", extra={"identity": identity, "gateways": list(self.site.units), "ports": ports}
            )
            gc.collect()
            gc.freeze()  # what is loaded now stays: no long pause for it later
            await self.stop.wait()
            log.info("leaving: no more events, the steps under way are finished")
            await self.leave(servers, serving, proofs)
        log.info("left")

    def wake(self, name: str, cause: str) -> None:
        self.wakeups.wake(name, cause)

    def servers(self) -> dict[str, Server]:
        """Bind the ports, so that a taken one is told before anything else happens."""
        settings = self.site.settings
        internal = internal_app(self.readiness.health, self.metrics.render, self.board.show)
        small = BodyLimit(internal, SMALL_BODY, GRACE.total_seconds())
        sockets: dict[str, tuple[ASGIApp, socket.socket]] = {
            "internal": (small, bind(settings.internal.listen))
        }
        if settings.webhook.enabled:
            dispatcher = Dispatcher(self.site.units, self.clock, self.wake)
            events = webhook_app(settings.webhook, dispatcher.dispatch, self.metrics.event)
            patience = settings.webhook.body_timeout.total_seconds()
            limited = BodyLimit(events, settings.webhook.max_body_bytes, patience)
            sockets["webhook"] = (limited, bind(settings.webhook.listen))
        return {name: Server(app, sock, GRACE.total_seconds()) for name, (app, sock) in sockets.items()}

    async def prove_kubernetes(self) -> None:
        target = self.site.settings.gateways[0].targets[0]
        await self.readiness.prove(
            "kubernetes", lambda: prove(self.site.kube, target.namespace, target.secret), unproven
        )

    async def prove_azure(self) -> None:
        first, *others = self.site.settings.gateways
        await self.readiness.prove("azure", lambda: self.site.arm.prove(first.resource_id), unproven)
        for gateway in others:  # a mistyped id shall be told now, not at its renewal
            try:
                await self.site.arm.prove(gateway.resource_id)
            except Refused as error:
                unproven(f"azure, gateway {gateway.name}", str(error))
            except Unavailable as error:
                log.debug("Azure could not be asked for gateway %s: %s", gateway.name, error)

    async def leave(
        self,
        servers: Mapping[str, Server],
        serving: list[asyncio.Task[None]],
        proofs: list[asyncio.Task[None]],
    ) -> None:
        """Stop in the order in which nothing is lost: events, schedule, runs, the internal port."""
        self.readiness.failed("webhook", "leaving")
        for task in proofs:
            task.cancel()
        self.schedule.stop()
        self.wakeups.close()
        if "webhook" in servers:
            servers["webhook"].stop()
        await self.finish()
        servers["internal"].stop()
        await asyncio.wait(serving)

    async def finish(self) -> None:
        """Let the steps under way end; one that hangs is left, for its outcome can be looked up."""
        try:
            async with asyncio.timeout(GRACE.total_seconds()):
                await self.wakeups.idle()
        except TimeoutError:
            log.warning("a step hangs: leaving without it")
            self.wakeups.abandon()


def unproven(check: str, sentence: str) -> None:
    log.warning("not ready yet", extra={"check": check, "why": sentence})

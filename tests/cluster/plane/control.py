"""A control plane of our own on loopback: etcd, API server, controllers and scheduler, while it is entered."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp

from tests.cluster.plane import flags
from tests.cluster.plane.pki import ADMINS, Authority
from tests.cluster.plane.process import Server, free_ports
from tests.cluster.plane.programs import Programs
from tests.cluster.plane.reach import Reach, certified

START_WITHIN = 90.0
_LOOK_EVERY = 0.1


class NotReadyError(Exception):
    """A server did not come up; the text has the end of its log."""


class ControlPlane:
    """Four processes, ended by their ids when it is left. `audit` is the API server's audit log."""

    def __init__(self, directory: Path, programs: Programs) -> None:
        self.directory = directory
        self.pki = Authority.create(directory / "pki")
        self.audit = directory / "audit.log"
        port, etcd_port, peer_port = free_ports(3)
        admin = self.pki.client("admin", ADMINS)
        self.reach = Reach(f"https://127.0.0.1:{port}", self.pki.ca, admin)
        as_admin = self.reach.kubeconfig(directory / "admin.kubeconfig", certified(admin))
        self.kubeconfig = as_admin

        def server(name: str, words: flags.Flags) -> Server:
            return Server((*programs.commands[name], *words), directory / f"{name}.log")

        self.etcd = server("etcd", flags.etcd(directory, etcd_port, peer_port))
        self.apiserver = server("kube-apiserver", flags.apiserver(directory, self.pki, port, etcd_port))
        self.controllers = server("kube-controller-manager", flags.controllers(self.pki, as_admin))
        self.scheduler = server("kube-scheduler", flags.scheduler(as_admin))

    async def __aenter__(self) -> Self:
        try:
            await self.etcd.start()
            await self.start_apiserver()
            await self.controllers.start()
            await self.scheduler.start()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    async def start_apiserver(self) -> None:
        """Start it, for the first time or again, and wait until it is ready."""
        await self.apiserver.start()
        await self.ready()

    async def ready(self) -> None:
        """Until the API server says so. Raises NotReadyError."""
        end = time.monotonic() + START_WITHIN
        async with self.reach.api() as api:
            while time.monotonic() < end:
                if not self.apiserver.running:
                    break
                try:
                    if (await api.call("GET", "/readyz")).status == 200:
                        return
                except (aiohttp.ClientError, TimeoutError):
                    pass
                await asyncio.sleep(_LOOK_EVERY)  # another process: nothing to wait on
        raise NotReadyError(f"the API server did not become ready:\n{self.apiserver.last_words()}")

    async def _stop(self) -> None:
        for server in (self.scheduler, self.controllers, self.apiserver, self.etcd):
            await server.stop()

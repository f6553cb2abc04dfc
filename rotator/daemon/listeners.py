"""The ports of this process. They stay open while what stands behind them is replaced."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.types import ASGIApp

from rotator.app.clock import GRACE
from rotator.config import Listen, Settings
from rotator.errors import ConfigError, Refused
from rotator.web.server import Server, bind

INTERNAL, WEBHOOK = "internal", "webhook"


@dataclass(frozen=True, slots=True)
class _Listener:
    """listen: as it was asked for; address: what it became (port 0 is any that was free)."""

    listen: Listen
    address: Listen
    server: Server


class Listeners:
    """apps: by the port's name, for as long as the process lives."""

    def __init__(self, apps: Mapping[str, ASGIApp]) -> None:
        self._apps = apps
        self._listeners: dict[str, _Listener] = {}

    @property
    def ports(self) -> dict[str, int]:
        return {name: listener.address.port for name, listener in self._listeners.items()}

    def bind(self, settings: Settings) -> dict[str, socket.socket]:
        """Return sockets for the addresses that are new. Those that are open already stay as they are.

        Raises:
            ConfigError: an address cannot be had; says which setting asks for it. Nothing is changed.
        """
        bound: dict[str, socket.socket] = {}
        for name, listen in wanted(settings).items():
            try:
                if not self._is_open(name, listen):
                    bound[name] = bind(listen)
            except Refused as mistake:
                close(bound)
                raise ConfigError((f"{name}.listen: {str(mistake).rstrip('.')}",)) from mistake
        return bound

    def open(self, settings: Settings, bound: dict[str, socket.socket], group: asyncio.TaskGroup) -> None:
        """Serve as settings say: on the sockets that bind returned (taken out), and on those that stay."""
        asked = wanted(settings)
        for name in [n for n in self._listeners if n not in asked or n in bound]:
            self.close(name)
        for name in [n for n in asked if n in bound]:
            sock = bound.pop(name)
            host, port = sock.getsockname()[:2]
            server = Server(self._apps[name], sock, GRACE.total_seconds())
            group.create_task(server.serve(), name=f"the port {name}")
            self._listeners[name] = _Listener(asked[name], Listen(host, port), server)

    def close(self, name: str) -> None:
        """Take no more requests at this port, if it is open; those under way are answered."""
        if listener := self._listeners.pop(name, None):
            listener.server.stop()

    def _is_open(self, name: str, listen: Listen) -> bool:
        listener = self._listeners.get(name)
        return listener is not None and listen in {listener.listen, listener.address}


def wanted(settings: Settings) -> dict[str, Listen]:
    """Return the ports by name that settings ask for."""
    ports = {INTERNAL: settings.internal.listen}
    return ports | {WEBHOOK: settings.webhook.listen} if settings.webhook.enabled else ports


def close(sockets: Mapping[str, socket.socket]) -> None:
    for sock in sockets.values():
        sock.close()

"""The listening ports of this process. They stay open while the applications behind them are replaced."""

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
    """listen: the address as configured; address: the one in use (port 0 becomes a free port)."""

    listen: Listen
    address: Listen
    server: Server


class Listeners:
    """apps: by the port's name, for the life of the process."""

    def __init__(self, apps: Mapping[str, ASGIApp]) -> None:
        self._apps = apps
        self._listeners: dict[str, _Listener] = {}

    @property
    def ports(self) -> dict[str, int]:
        return {name: listener.address.port for name, listener in self._listeners.items()}

    def bind(self, settings: Settings) -> dict[str, socket.socket]:
        """Return sockets for the addresses that are new. Ports that are open already stay open.

        Raises:
            ConfigError: an address cannot be bound; names the setting. Nothing is changed.
        """
        bound: dict[str, socket.socket] = {}
        for name, listen in wanted_ports(settings).items():
            try:
                if not self._is_open(name, listen):
                    bound[name] = bind(listen)
            except Refused as error:
                close(bound)
                raise ConfigError((f"{name}.listen: {str(error).rstrip('.')}",)) from error
        return bound

    def open(self, settings: Settings, bound: dict[str, socket.socket], group: asyncio.TaskGroup) -> None:
        """Serve as settings say: on the sockets of bind(), which it takes out, and on the ports that stay."""
        wanted = wanted_ports(settings)
        for name in [n for n in self._listeners if n not in wanted or n in bound]:
            self.close(name)
        for name in [n for n in wanted if n in bound]:
            sock = bound.pop(name)
            host, port = sock.getsockname()[:2]
            server = Server(self._apps[name], sock, GRACE.total_seconds())
            group.create_task(server.serve(), name=f"the port {name}")
            self._listeners[name] = _Listener(wanted[name], Listen(host, port), server)

    def close(self, name: str) -> None:
        """Take no more requests at this port, if it is open; requests under way are answered."""
        if listener := self._listeners.pop(name, None):
            listener.server.stop()

    def _is_open(self, name: str, listen: Listen) -> bool:
        listener = self._listeners.get(name)
        return listener is not None and listen in {listener.listen, listener.address}


def wanted_ports(settings: Settings) -> dict[str, Listen]:
    """Return the ports by name that settings ask for."""
    ports = {INTERNAL: settings.internal.listen}
    return ports | {WEBHOOK: settings.webhook.listen} if settings.webhook.enabled else ports


def close(sockets: Mapping[str, socket.socket]) -> None:
    for sock in sockets.values():
        sock.close()

"""What a generation needs, open and unused: nothing was sent, and the one before still works."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from rotator.app.bootstrap import Services, open_services
from rotator.config import Settings
from rotator.daemon.listeners import Listeners, close
from rotator.errors import ConfigError, Unavailable
from rotator.eventgrid.auth.authentication import Authenticator, open_authenticator
from rotator.kube.client.credential_files import files_read_once

PATIENCE = 20.0
"""Seconds for all credentials: nothing bounds the exec plugin behind the home cluster's kubeconfig."""


class Hanging(Unavailable):
    """A plugin does not answer. Each try takes its time: the next one is made when somebody asks for it."""


@dataclass(frozen=True, slots=True)
class Resources:
    """authenticator: None if no webhook is wanted. bound: sockets for the ports that are new, taken out when
    they are served. Leave stack in the end: it closes the services and what is still bound.
    """

    services: Services
    authenticator: Authenticator | None
    bound: dict[str, socket.socket]
    stack: AsyncExitStack

    @property
    def settings(self) -> Settings:
        return self.services.settings


async def prepare(
    settings: Settings,
    environ: Mapping[str, str],
    identity: str,
    listeners: Listeners,
) -> Resources:
    """Open all that settings ask for.

    Raises:
        ConfigError: a kubeconfig, a context, a certificate or a credential is missing; a port is taken.
        Unavailable: a file that should be there is not (yet). Hanging: a plugin does not answer.
    """
    async with AsyncExitStack() as stack:
        services = await _services(open_services(settings, environ, identity, asyncio.Event()), stack)
        authenticator = await _authenticator(settings, stack) if settings.webhook.enabled else None
        bound = listeners.bind(settings)
        stack.callback(close, bound)
        return Resources(services, authenticator, bound, stack.pop_all())


async def _services(opened: AbstractAsyncContextManager[Services], stack: AsyncExitStack) -> Services:
    try:
        async with asyncio.timeout(PATIENCE):
            return await stack.enter_async_context(opened)
    except TimeoutError as error:
        why = f"no credentials for the clusters within {PATIENCE:g} s"
        remedy = "Run the exec plugin of the kubeconfig by hand to see why, then send SIGHUP"
        raise Hanging(f"{why}. {remedy}") from error


async def _authenticator(settings: Settings, stack: AsyncExitStack) -> Authenticator:
    azure = settings.azure
    opened = open_authenticator(settings.webhook, cloud=azure.cloud, ca_file=azure.ca_file)
    try:
        return await stack.enter_async_context(opened)
    except ValueError as mistake:
        raise ConfigError((str(mistake),)) from mistake


def shut(authenticator: Authenticator | None) -> str:
    """Return why no delivery with a secret could be authenticated, as a sentence; empty if one could be."""
    secret = authenticator.methods.secret if authenticator else None
    return secret.file.problem if secret and not secret.file.loaded else ""


def files_of(config: Path, settings: Settings, environ: Mapping[str, str]) -> frozenset[Path]:
    """Return the files that are read once when a generation is opened. Others are read whenever they are
    needed: tokens, the webhook's secrets.
    """
    found = {config, *files_read_once(settings.kubernetes, environ)}
    if settings.azure.ca_file:
        found.add(settings.azure.ca_file)
    return frozenset(found)

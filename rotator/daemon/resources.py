"""Opens what a generation needs while the previous generation still works. Sends no request."""

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

CREDENTIALS_TIMEOUT = 20.0
"""Bounds, in seconds, how long all credentials take: an exec plugin of a kubeconfig has no timeout."""


class PluginTimeout(Unavailable):
    """An exec plugin does not answer. Each try takes the whole timeout: the next one waits for SIGHUP."""


@dataclass(frozen=True, slots=True)
class Resources:
    """authenticator: None without a webhook. bound: sockets of the new ports; Listeners.open takes them out.
    stack: closes the services and the sockets that are still bound.
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
    """Open the services, the authenticator and the sockets for settings.

    Raises:
        ConfigError: a kubeconfig, a context, a certificate or a credential is missing; a port is in use.
        Unavailable: a file does not exist yet.
        PluginTimeout: an exec plugin does not answer.
    """
    async with AsyncExitStack() as stack:
        services = await _services(open_services(settings, environ, identity, asyncio.Event()), stack)
        authenticator = await _authenticator(settings, stack) if settings.webhook.enabled else None
        bound = listeners.bind(settings)
        stack.callback(close, bound)
        return Resources(services, authenticator, bound, stack.pop_all())


async def _services(opened: AbstractAsyncContextManager[Services], stack: AsyncExitStack) -> Services:
    try:
        async with asyncio.timeout(CREDENTIALS_TIMEOUT):
            return await stack.enter_async_context(opened)
    except TimeoutError as error:
        why = f"no credentials for the clusters within {CREDENTIALS_TIMEOUT:g} s"
        remedy = "Run the exec plugin of the kubeconfig by hand to see why, then send SIGHUP"
        raise PluginTimeout(f"{why}. {remedy}") from error


async def _authenticator(settings: Settings, stack: AsyncExitStack) -> Authenticator:
    azure = settings.azure
    opened = open_authenticator(settings.webhook, cloud=azure.cloud, ca_file=azure.ca_file)
    try:
        return await stack.enter_async_context(opened)
    except ValueError as error:
        raise ConfigError((str(error),)) from error


def unusable_secret(authenticator: Authenticator | None) -> str:
    """Return why no shared secret can authenticate a delivery, as a sentence; empty if one can."""
    secret = authenticator.methods.secret if authenticator else None
    return secret.file.problem if secret and not secret.file.loaded else ""


def files_of(config: Path, settings: Settings, environ: Mapping[str, str]) -> frozenset[Path]:
    """Return the files that are read once per generation. Tokens and the webhook's secrets are read whenever
    they are needed.
    """
    found = {config, *files_read_once(settings.kubernetes, environ)}
    if settings.azure.ca_file:
        found.add(settings.azure.ca_file)
    return frozenset(found)

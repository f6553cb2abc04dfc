"""The composition root: connects every room for one configuration, gateway by gateway."""

from __future__ import annotations

import asyncio
import getpass
import os
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TypeVar

from rotator import __version__
from rotator.app.clock import SystemClock, utc_now
from rotator.azure import Arm, ArmIssuer, ArmRevoker
from rotator.config import GatewaySettings, Settings
from rotator.core.policy import Policy
from rotator.errors import ConfigError, Refused
from rotator.kube import Clusters, EventSink, KubeEvictor, KubeLease, KubeTargetStore
from rotator.rotation import Gateway, Ports, SignerCache

T = TypeVar("T")
STARTED = utc_now()
"""When this process began. A reload of the configuration does not put off the next proof of the keys."""
PROOF_AGE = timedelta(hours=6)
"""How long an answer of Azure about which key signs a token is believed."""
REGENERATE_WITHIN = timedelta(seconds=10)
"""Timeout of one regenerateKey call, at most half of the Lease: a call that was sent cannot be called off,
so it has to end before the Lease does."""
PRODUCT = "apim-token-rotator"


@dataclass(frozen=True, slots=True)
class GatewayServices:
    """One configured gateway, and everything that works for it.

    store and lease are the adapters behind ports: this process asks them for what no rotation needs.
    """

    settings: GatewaySettings
    gateway: Gateway
    ports: Ports
    store: KubeTargetStore
    lease: KubeLease

    @property
    def name(self) -> str:
        return self.gateway.name

    @property
    def policy(self) -> Policy:
        return self.gateway.policy


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that works for one configuration. gateways: by name, in the order of the configuration."""

    settings: Settings
    clusters: Clusters
    arm: Arm
    events: EventSink
    clock: SystemClock
    gateways: Mapping[str, GatewayServices]


@asynccontextmanager
async def open_services(
    settings: Settings, environ: Mapping[str, str], identity: str, stop: asyncio.Event
) -> AsyncIterator[Services]:
    """Open connections to the clusters and to Azure without sending a request; close them at the end.

    stop: set when the rotations have to end after the step under way.

    Raises:
        ConfigError: a kubeconfig, a certificate or a credential is missing; says which.
    """
    contexts = [t.context for g in settings.gateways for t in g.targets]
    async with AsyncExitStack() as stack:
        clusters = await configured(
            Clusters.connect(settings.kubernetes, contexts, f"{PRODUCT}/{__version__}", environ=environ)
        )
        stack.push_async_callback(clusters.close)
        arm = await configured(Arm.connect(settings.azure, environ))
        stack.push_async_callback(arm.close)
        events = EventSink(clusters, PRODUCT, identity)
        stack.push_async_callback(events.aclose)
        # All records go by the clock of the home cluster.
        clock = SystemClock(stop, clusters.home.clock.now)
        services = Services(settings, clusters, arm, events, clock, {})
        yield replace(services, gateways=gateway_services(services, identity))


async def configured(connecting: Awaitable[T]) -> T:
    """Return the connection. Nothing has been sent yet, so a refusal is an error in the configuration."""
    try:
        return await connecting
    except Refused as error:
        raise ConfigError((str(error),)) from error


def gateway_services(shared: Services, identity: str) -> dict[str, GatewayServices]:
    """Return what works for each gateway, over connections and under limits that all of them share."""
    settings, clusters, arm, now = shared.settings, shared.clusters, shared.arm, shared.clock.now
    turn = asyncio.Semaphore(settings.rotation.max_concurrent_rotations)
    rollouts = asyncio.Semaphore(settings.rotation.max_concurrent_rollouts)
    lasts = settings.kubernetes.lease_duration

    def build(gateway: GatewaySettings) -> GatewayServices:
        namespace = lease_namespace(settings, gateway, clusters)
        name, resource_id = f"{PRODUCT}-{gateway.name}", gateway.resource_id
        lease = KubeLease(clusters.home, namespace, name, identity, lasts, clock=now)
        issuer = ArmIssuer(arm, resource_id, now)
        store = KubeTargetStore(clusters, resource_id.gateway, gateway.targets, lease, now, shared.events)
        ports = Ports(
            issuer,
            SignerCache(issuer, PROOF_AGE, STARTED),
            store,
            lease,
            shared.clock,
            revoker=ArmRevoker(arm, resource_id, min(REGENERATE_WITHIN, lasts / 2)),
            evictor=KubeEvictor(store),
            turn=turn,
            rollouts=rollouts,
        )
        rotated = Gateway(gateway.name, gateway.policy, gateway.calendar.hours)
        return GatewayServices(gateway, rotated, ports, store, lease)

    return {gateway.name: build(gateway) for gateway in settings.gateways}


def lease_namespace(settings: Settings, gateway: GatewaySettings, clusters: Clusters) -> str:
    """Return the namespace of the gateway's Lease, the same for every process.

    Raises:
        ConfigError: neither the configuration nor a target in the home cluster names one.
    """
    if settings.kubernetes.lease_namespace:
        return settings.kubernetes.lease_namespace
    at_home = (t.namespace for t in gateway.targets if clusters.at(t.context).at_home)
    if (first := next(at_home, None)) is None:
        where = f"gateway {gateway.name} has no target in the cluster that holds the Leases"
        error = f"kubernetes.lease_namespace: is needed, for {where}. Write a namespace of that cluster"
        raise ConfigError((error,))
    return first


def daemon_identity(environ: Mapping[str, str]) -> str:
    """Return the holder identity for the Leases of the daemon. In a pod this is the pod's name: a container
    that Kubernetes restarts has the same identity, because its predecessor is dead, and continues at once.
    """
    return environ.get("POD_NAME") or f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"


def person() -> str:
    """Return the operator who runs this process, as user@host."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as containers have
        name = f"uid-{os.getuid()}"
    return f"{name}@{socket.gethostname()}"


def person_identity() -> str:
    """Return the holder identity for the Leases of a command that an operator runs."""
    return f"{person()}-{os.getpid()}-{secrets.token_hex(3)}"

"""What one process works with: a connection to the cluster, one to Azure, and a unit per gateway."""

from __future__ import annotations

import asyncio
import getpass
import os
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from rotator import __version__
from rotator.app.clock import utc_now
from rotator.azure import Arm, ArmIssuer, ArmRevoker, Skew
from rotator.config import GatewaySettings, Settings
from rotator.errors import ConfigError, Refused
from rotator.kube import Clusters, Connection, EventSink, KubeEvictor, KubeLease, KubeTargetStore
from rotator.ports import Clock, Reporter
from rotator.rotation import Gateway, Ports, SignerCache

T = TypeVar("T")
STARTED = utc_now()
"""When this process began. A reload of the configuration does not put off the next proof of the keys."""
PROOF_AGE = timedelta(hours=6)
"""So often Azure is asked again which key signs the tokens in place."""
REGENERATE_WITHIN = timedelta(seconds=10)
"""Nothing calls a regenerateKey off that is still on its way: it must not outlive the Lease."""
PRODUCT = "apim-token-rotator"


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much this process does at a time, over all gateways."""

    turn: asyncio.Semaphore
    rollouts: asyncio.Semaphore


@dataclass(frozen=True, slots=True)
class GatewayServices:
    """One gateway with everything that works for it."""

    gateway: Gateway
    settings: GatewaySettings
    issuer: ArmIssuer
    signers: SignerCache
    fleet: KubeTargetStore
    lease: KubeLease
    revoker: ArmRevoker
    evictor: KubeEvictor
    skew: Skew
    bounds: Bounds

    def ports(self, clock: Clock, reporter: Reporter) -> Ports:
        return Ports(
            self.issuer,
            self.signers,
            self.fleet,
            self.lease,
            clock,
            reporter,
            revoker=self.revoker,
            evictor=self.evictor,
            turn=self.bounds.turn,
            rollouts=self.bounds.rollouts,
        )


@dataclass(frozen=True, slots=True)
class Services:
    settings: Settings
    clusters: Clusters
    arm: Arm
    events: EventSink
    units: Mapping[str, GatewayServices]

    @property
    def kube(self) -> Connection:
        """The home cluster."""
        return self.clusters.home

    def now(self) -> datetime:
        """Return the time of day (UTC) by the home cluster's clock, which all records go by."""
        return self.clusters.home.clock.now()


@asynccontextmanager
async def open_services(
    settings: Settings, environ: Mapping[str, str], identity: str
) -> AsyncIterator[Services]:
    """Connect to the cluster and to Azure, without a call yet; everything is closed at the end.

    Raises:
        ConfigError: a kubeconfig, a certificate or a credential is missing; says which.
    """
    contexts = [t.context for g in settings.gateways for t in g.targets]
    clusters = await configured(
        Clusters.connect(settings.kubernetes, contexts, f"{PRODUCT}/{__version__}", environ=environ)
    )
    try:
        arm = await configured(Arm.connect(settings.azure, environ))
        try:
            events = EventSink(clusters, PRODUCT, identity)
            try:
                yield Services(
                    settings, clusters, arm, events, units(settings, clusters, arm, events, identity)
                )
            finally:
                await events.aclose()
        finally:
            await arm.close()
    finally:
        await clusters.close()


async def configured(connecting: Awaitable[T]) -> T:
    """Return the connection. Nothing has been sent yet: what is refused here is a mistake of ours."""
    try:
        return await connecting
    except Refused as mistake:
        raise ConfigError((str(mistake),)) from mistake


def units(
    settings: Settings, clusters: Clusters, arm: Arm, events: EventSink, identity: str
) -> dict[str, GatewayServices]:
    at_once = settings.rotation
    bounds = Bounds(
        asyncio.Semaphore(at_once.max_concurrent_rotations),
        asyncio.Semaphore(at_once.max_concurrent_rollouts),
    )
    return {g.name: unit(settings, g, clusters, arm, events, identity, bounds) for g in settings.gateways}


def unit(
    settings: Settings,
    gateway: GatewaySettings,
    clusters: Clusters,
    arm: Arm,
    events: EventSink,
    identity: str,
    bounds: Bounds,
) -> GatewayServices:
    namespace = lease_namespace(settings, gateway, clusters)
    lasts = settings.kubernetes.lease_duration
    now = clusters.home.clock.now
    lease = KubeLease(clusters.home, namespace, f"{PRODUCT}-{gateway.name}", identity, lasts, clock=now)
    issuer = ArmIssuer(arm, gateway.resource_id, now)
    fleet = KubeTargetStore(clusters, gateway.resource_id.gateway, gateway.targets, lease, now, events)
    return GatewayServices(
        Gateway(gateway.name, gateway.policy, gateway.calendar.hours),
        gateway,
        issuer,
        SignerCache(issuer, PROOF_AGE, STARTED),
        fleet,
        lease,
        ArmRevoker(arm, gateway.resource_id, min(REGENERATE_WITHIN, lasts / 2)),
        KubeEvictor(fleet),
        arm.skew,
        bounds,
    )


def lease_namespace(settings: Settings, gateway: GatewaySettings, clusters: Clusters) -> str:
    """Return where every process looks for the gateway's Lease. Raises ConfigError: nothing says where."""
    if settings.kubernetes.lease_namespace:
        return settings.kubernetes.lease_namespace
    at_home = (t.namespace for t in gateway.targets if clusters.at(t.context).at_home)
    if (first := next(at_home, None)) is None:
        where = f"gateway {gateway.name} has no target in the cluster that holds the Leases"
        mistake = f"kubernetes.lease_namespace: is needed, for {where}. Write a namespace of that cluster"
        raise ConfigError((mistake,))
    return first


def daemon_identity(environ: Mapping[str, str]) -> str:
    """Return who holds this process's leases. In a pod, its name: a container that Kubernetes starts
    again is the same holder, for the one before is dead, and goes on at once.
    """
    return environ.get("POD_NAME") or f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"


def person() -> str:
    """Return who runs this process, as people say it: user@host."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as containers have
        name = f"uid-{os.getuid()}"
    return f"{name}@{socket.gethostname()}"


def person_identity() -> str:
    """Return who holds the leases of a command that somebody runs by hand."""
    return f"{person()}-{os.getpid()}-{secrets.token_hex(3)}"

"""Takes one step. Every write is guarded by the version that the step was derived from."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from rotator.core.limits import reverted
from rotator.core.observation import Target
from rotator.core.policy import Policy
from rotator.core.records import Decision, Key, Record, Token, succeed
from rotator.core.steps import (
    Adopt,
    Await,
    Issue,
    Replace,
    Rest,
    Restart,
    Revoke,
    RollBack,
    Step,
    Verify,
    Write,
)
from rotator.core.verification import key_is_unused
from rotator.errors import Conflict, Refused, Unavailable
from rotator.ports import IssuedToken
from rotator.rotation.context import Ports
from rotator.rotation.failures import KeyRegenerationFailed, TargetFailed, TokenUnrecoverable, for_target


async def act(step: Step, policy: Policy, ports: Ports) -> None:
    """Take step, which follows from an observation made just before.

    Raises:
        Conflict: something changed since the observation.
        LeaseLost: another process took over; nothing was written.
        TargetFailed: one target could not be changed; others may go on.
        TokenUnrecoverable: the value of a token that is to be written is lost.
        KeyRegenerationFailed: a key could not be regenerated; everything else may go on.
        Unavailable, Refused: as the ports say.
    """
    now, store = ports.clock.now(), ports.store
    await ports.lease.assert_held()
    match step:
        case Adopt() | Write() | RollBack():
            await for_target(step.target, write_decision(step, ports))
        case Issue():
            await issue(step, policy, ports)
        case Restart():
            await restart(step, ports)
        case Verify(target):
            if target.record is None:
                raise Conflict("a target without a record cannot be verified")
            await for_target(target, store.write(target, None, mark_verified(target, target.record, now)))
        case Replace(target, pod):
            if ports.evictor is None:
                raise Refused("this process cannot evict pods", f"Delete pod {pod.name} by hand.")
            await for_target(target, ports.evictor.evict(target, pod))
        case Revoke(key):
            await revoke(key, ports)
        case Await() | Rest():
            raise TypeError(f"{type(step).__name__} is not a step that can be taken")
        case _:
            assert_never(step)


async def restart(step: Restart, ports: Ports) -> None:
    """Roll a workload over. If another writer removed the template token, this is a restore."""
    if reverted(step.target, step.workload):
        await ports.lease.count_restore()
    await for_target(step.target, ports.store.restart(step.target, step.workload, step.template_token))


def mark_verified(target: Target, record: Record, now: datetime) -> Record:
    """Return the record of a target whose pods all run its token. verified_at is no earlier than the changes
    that it verifies, for clocks differ by seconds, and are set back.
    """
    before = [record.restored_at, *(w.restarted_at for w in target.workloads)]
    verified_at = max([now, *(at for at in before if at)])
    return replace(record, verified_at=verified_at, verified_pods=instances(target))


def instances(target: Target) -> frozenset[str]:
    """Return the pod instances of the target."""
    return frozenset(p.instance for w in target.workloads for p in w.pods if p.instance)


async def write_decision(step: Adopt | Write | RollBack, ports: Ports) -> None:
    """Write a decision to one target, and its token unless it is in place already."""
    target, decision, now = step.target, step.decision, ports.clock.now()
    record = succeed(target.record, decision, now)
    if decision.token.template_token in named_tokens(target):
        # Pods of this template may have read another token: a manifest was copied, annotations were lost.
        record = replace(record, restored_at=now)
    match step:
        case Adopt():
            if decision.token.template_token:
                await ports.lease.count_restore()
            elif target.record is None:  # Today's pods are assumed to run it; later ones may read another.
                record = replace(record, verified_pods=instances(target))
            await ports.store.write(target, None, record)
        case Write(restore=True) if target.record:
            await ports.lease.count_restore()
            kept = replace(target.record, restored_at=now)
            await ports.store.write(target, await value_of(decision.token, ports), kept)
        case _:
            await ports.store.write(target, await value_of(decision.token, ports), record)


def named_tokens(target: Target) -> set[str]:
    """Return the fingerprint of every token that a template or a pod of the target names."""
    found = {w.template_token for w in target.workloads} | {
        p.pod_token for w in target.workloads for p in w.pods
    }
    return {token for token in found if token}


async def issue(step: Issue, policy: Policy, ports: Ports) -> None:
    """Issue a token with the standby key and write it to the first target."""
    if step.fresh:
        await end_key(step.key, ports)
        await ports.lease.assert_held()
    now = ports.clock.now()
    token = await issue_distinct(step, now + policy.lifetime, ports)
    if token.expires_at - policy.renew_before <= now:
        raise Refused(
            f"Azure granted a token only until {token.expires_at:%Y-%m-%d %H:%M} UTC, which is due at once",
            "Make renew_before smaller.",
        )
    ports.signers.minted(token, now)
    issued_at = max(now, step.requested_at or now)
    fresh = Token(token.fingerprint, step.key, issued_at, token.expires_at, token.fingerprint)
    basis = step.basis
    revision = basis.revision + 1 if basis else 1
    failures = basis.failures if basis and basis.rolled_back else 0
    decision = Decision(revision, fresh, step.condemned, failures)
    await ports.lease.assert_held()
    await ports.lease.condemn(step.condemned)
    if step.target.drifted:
        await ports.lease.count_restore()
    try:
        await ports.store.write(step.target, token, succeed(step.target.record, decision, now))
    except Refused as error:  # Nothing was written. After Unavailable this is unknown: observe first.
        raise TargetFailed(step.target.name, error) from error


async def issue_distinct(step: Issue, expires_at: datetime, ports: Ports) -> IssuedToken:
    """Return a token that the target is not known to have had before. A token is a function of key and
    minute of expiry: the issuer returns the same one again, and old pods would look like new ones.
    """
    target, had = step.target, named_tokens(step.target)
    had |= {token.fingerprint for token in (target.token, target.previous_token) if token}
    token = await ports.issuer.issue(step.key, expires_at)
    while token.fingerprint in had:
        expires_at -= timedelta(minutes=1)
        token = await ports.issuer.issue(step.key, expires_at)
    return token


async def end_key(key: Key, ports: Ports) -> None:
    """Regenerate key after one more observation: nothing at Azure fences a late call off."""
    if ports.revoker is None:
        raise KeyRegenerationFailed(
            key, Refused("this process cannot regenerate keys", "Set revoke to never.")
        )
    observation = await ports.store.observe()
    signers = await ports.signers.of(observation, ports.clock.now(), fresh=True)
    if observation.current and observation.current.token.fingerprint not in signers:
        unknown = "Azure does not say which key signed the token in place, so no key is regenerated"
        raise KeyRegenerationFailed(key, Unavailable(unknown), sent=False)
    if not key_is_unused(replace(observation, signers=signers), key):
        raise Conflict("the key is in use again")
    await ports.lease.assert_held(ports.revoker.call_timeout)
    ports.signers.forget()
    try:
        await ports.revoker.regenerate(key)
    except (Refused, Unavailable) as error:
        raise KeyRegenerationFailed(key, error) from error


async def revoke(key: Key, ports: Ports) -> None:
    """Regenerate key and note it. A crash in between repeats it, which is harmless: its tokens are unused."""
    await end_key(key, ports)
    observation = await ports.store.observe()
    for target in observation.targets:
        record = target.record
        if record and key in record.decision.condemned:
            decision = replace(record.decision, condemned=record.decision.condemned - {key})
            await ports.lease.assert_held()
            await ports.store.write(target, None, replace(record, decision=decision))
    await ports.lease.condemn(observation.condemned - {key})


async def value_of(token: Token, ports: Ports) -> IssuedToken:
    """Return the token with its value: from a target, or issued again. Raises TokenUnrecoverable."""
    if found := await ports.store.find(token.fingerprint):
        return found
    for key in (token.key,) if token.key else tuple(Key):
        again = await ports.issuer.issue(key, token.expires_at)
        if again.fingerprint == token.fingerprint:
            return again
    raise TokenUnrecoverable(token.fingerprint)

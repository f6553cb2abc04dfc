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
    """Take step, which was derived from what was seen just before.

    Raises:
        Conflict: something changed since it was seen.
        LeaseLost: another process took over; nothing was written.
        Troubled: one target could not be changed; others may be all right.
        Lost: a token that is to be written can no longer be had.
        KeyTrouble: a key could not be regenerated; everything else may go on.
        Unavailable, Refused: as the ports say.
    """
    now, fleet = ports.clock.now(), ports.fleet
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
                raise Conflict("a target without a record cannot be proven")
            await for_target(target, fleet.write(target, None, mark_verified(target, target.record, now)))
        case Replace(target, pod):
            if ports.evictor is None:
                raise Refused("this process cannot evict pods", f"Delete pod {pod.name} by hand.")
            await for_target(target, ports.evictor.evict(target, pod))
        case Revoke(key):
            await revoke(key, ports)
        case Await() | Rest():
            raise TypeError(f"{type(step).__name__} is nothing to do")
        case _:
            assert_never(step)


async def restart(step: Restart, ports: Ports) -> None:
    """Roll a workload over. If another writer removed the template token, this is a restore."""
    if reverted(step.target, step.workload):
        await ports.lease.count_restore()
    await for_target(step.target, ports.fleet.restart(step.target, step.workload, step.template_token))


def mark_verified(target: Target, record: Record, now: datetime) -> Record:
    """Return the record of a target whose pods are all proven, with those pods as witnesses: no earlier than
    what it proves, for clocks differ by seconds, and are set back.
    """
    before = [record.restored_at, *(w.restarted_at for w in target.workloads)]
    verified_at = max([now, *(at for at in before if at)])
    return replace(record, verified_at=verified_at, verified_pods=instances(target))


def instances(target: Target) -> frozenset[str]:
    return frozenset(p.instance for w in target.workloads for p in w.pods if p.instance)


async def write_decision(step: Adopt | Write | RollBack, ports: Ports) -> None:
    """Write a decision, and its token unless it is in place already, to one target."""
    target, decision, now = step.target, step.decision, ports.clock.now()
    record = succeed(target.record, decision, now)
    if decision.token.template_token in named_tokens(target):
        # Pods are there already, which may have read something else: a manifest was copied, notes were lost.
        record = replace(record, restored_at=now)
    match step:
        case Adopt():
            if decision.token.template_token:
                await ports.lease.count_restore()
            elif target.record is None:  # the pods of now are taken to run it; later ones may read another
                record = replace(record, verified_pods=instances(target))
            await ports.fleet.write(target, None, record)
        case Write(restore=True) if target.record:
            await ports.lease.count_restore()
            kept = replace(target.record, restored_at=now)
            await ports.fleet.write(target, await value_of(decision.token, ports), kept)
        case _:
            await ports.fleet.write(target, await value_of(decision.token, ports), record)


def named_tokens(target: Target) -> set[str]:
    """Return the fingerprint of every token that a template or a pod of the target names."""
    found = {w.template_token for w in target.workloads} | {
        p.pod_token for w in target.workloads for p in w.pods
    }
    return {token for token in found if token}


async def issue(step: Issue, policy: Policy, ports: Ports) -> None:
    """Mint a token on the standby key and write it to the first target."""
    if step.fresh:
        await end_key(step.key, ports)
        await ports.lease.assert_held()
    now = ports.clock.now()
    token = await issue_distinct(step, now + policy.lifetime, ports)
    if token.expires_at - policy.renew_before <= now:
        raise Refused(
            f"Azure granted a token until {token.expires_at:%Y-%m-%d %H:%M} UTC only, which is due at once",
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
        await ports.fleet.write(step.target, token, succeed(step.target.record, decision, now))
    except Refused as error:  # nothing was written; whether Unavailable wrote is unknown: look first
        raise TargetFailed(step.target.name, error) from error


async def issue_distinct(step: Issue, expires_at: datetime, ports: Ports) -> IssuedToken:
    """Return a token that the target has not had before, as far as anything there tells. A token is a
    function of key and minute: asked twice within one, the issuer gives the same again, and nothing would
    tell old pods from new.
    """
    record, had = step.target.record, named_tokens(step.target)
    had |= {record.decision.token.fingerprint} if record else set()
    had |= {record.previous.token.fingerprint} if record and record.previous else set()
    token = await ports.issuer.issue(step.key, expires_at)
    while token.fingerprint in had:
        expires_at -= timedelta(minutes=1)
        token = await ports.issuer.issue(step.key, expires_at)
    return token


async def end_key(key: Key, ports: Ports) -> None:
    """Regenerate key after one more look: nothing at Azure fences a late call off."""
    if ports.revoker is None:
        raise KeyRegenerationFailed(
            key, Refused("this process cannot regenerate keys", "Set revoke to never.")
        )
    seen = await ports.fleet.observe()
    signers = await ports.signers.of(seen, ports.clock.now(), fresh=True)
    if seen.current and seen.current.token.fingerprint not in signers:
        unknown = "Azure does not say which key signed the token in place: none is regenerated"
        raise KeyRegenerationFailed(key, Unavailable(unknown), sent=False)
    if not key_is_unused(replace(seen, signers=signers), key):
        raise Conflict("the key is in use again")
    await ports.lease.assert_held(ports.revoker.patience)
    ports.signers.forget()
    try:
        await ports.revoker.regenerate(key)
    except (Refused, Unavailable) as error:
        raise KeyRegenerationFailed(key, error) from error


async def revoke(key: Key, ports: Ports) -> None:
    """Regenerate key and write it down. A crash between repeats it: nobody holds its tokens."""
    await end_key(key, ports)
    seen = await ports.fleet.observe()
    for t in seen.targets:
        if t.record and key in t.record.decision.condemned:
            decision = replace(t.record.decision, condemned=t.record.decision.condemned - {key})
            await ports.lease.assert_held()
            await ports.fleet.write(t, None, replace(t.record, decision=decision))
    await ports.lease.condemn(seen.condemned - {key})


async def value_of(token: Token, ports: Ports) -> IssuedToken:
    """Return the token with its value: copied from a target, or issued once more. Raises Lost."""
    if found := await ports.fleet.find(token.fingerprint):
        return found
    for key in (token.key,) if token.key else tuple(Key):
        again = await ports.issuer.issue(key, token.expires_at)
        if again.fingerprint == token.fingerprint:
            return again
    raise TokenUnrecoverable(token.fingerprint)

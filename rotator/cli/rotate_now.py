"""`rotator rotate-now`: requests a rotation, then carries it out in this process and shows its progress."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from rotator.app.bootstrap import GatewayServices, Services, person
from rotator.app.event_listener import event_listener
from rotator.cli.exits import Exit, UsageError, exit_for, worst
from rotator.cli.progress import Progress, shown
from rotator.cli.report import ProgressReport
from rotator.cli.session import work_on
from rotator.core.messages import about, described, explain, stamp, why_rest
from rotator.core.observation import ALWAYS, Observation, Request
from rotator.core.plan import next_step
from rotator.core.renewal import pending
from rotator.core.revocation import exposed
from rotator.core.run_result import RunResult
from rotator.core.situation import Situation
from rotator.core.steps import Rest
from rotator.core.verification import resting
from rotator.durations import human_duration
from rotator.errors import Busy, LeaseLost, Refused, RotatorError
from rotator.rotation import Noted, Outcome, observe, request, rotate

RECENT = timedelta(hours=1)
"""Age of a token below which rotate-now takes the request for a repeated command; --force overrides this."""
BUSY_MARGIN = timedelta(minutes=5)
"""Time beyond rollout_timeout that rotate-now waits for another process to finish."""
BUSY_POLL_INTERVAL = 1.0
"""Seconds between two tries to take the Lease from another process."""


@dataclass(frozen=True, slots=True)
class RotateOptions:
    every: bool
    force: bool
    leak: bool
    dry_run: bool
    wait: bool


def rotate_now(config: Path, names: Sequence[str], options: RotateOptions) -> Exit:
    if bool(names) == options.every:
        raise UsageError("name the gateways to rotate, or use --all. See rotator rotate-now --help")

    async def work(services: Services) -> Exit:
        with shown() as progress:
            jobs = (Job(services, gateway, progress, options).run() for gateway in services.gateways.values())
            return worst(list(await asyncio.gather(*jobs)))

    return work_on(config, names, work)


class Job:
    """One gateway, from the request to its rest."""

    def __init__(
        self, services: Services, gateway: GatewayServices, progress: Progress, options: RotateOptions
    ) -> None:
        self.arm = services.arm
        self.lease = gateway.lease
        self.ports = gateway.ports
        self.clock = services.clock
        self.resource_id = gateway.settings.resource_id
        self.progress = progress
        self.options = options
        # --force and a leaked token do not wait for a maintenance window.
        urgent = options.force or options.leak
        self.gateway = replace(gateway.gateway, window=lambda _: ALWAYS) if urgent else gateway.gateway
        self.configured = gateway.gateway
        self.name = gateway.name
        self.policy = gateway.policy
        self.before = "none"
        self.asked = False
        listener = event_listener(gateway, services.events)
        self.reporter = ProgressReport(self.name, self.policy, progress, listener)

    async def run(self) -> Exit:
        """Return the exit code; every error has been shown."""
        try:
            self.ports.signers.forget()  # a key may have been regenerated since: ask Azure about every token
            observation = await observe(self.gateway, self.ports)
            if self.options.leak and None in exposed(self.situation(observation)):
                raise Refused(
                    "Azure does not say which key signed a token in place, so it cannot be revoked",
                    "Run again without --revoke-previous, then regenerate the other key by hand",
                )
            self.before = next((t.fingerprint for t in observation.targets if t.fingerprint), "none")
            if (recent := self.recent(observation)) and not self.options.force and not self.options.leak:
                self.progress.end(self.name, "Skipped", recent, good=True)
                return Exit.OK
            if self.options.dry_run:
                return await self.rehearse(observation)
            return await self.rotate(observation)
        except RotatorError as error:
            self.progress.end(self.name, type(error).__name__, f"{error}{self.stands()}", good=False)
            return exit_for(error)

    def situation(self, observation: Observation) -> Situation:
        return Situation(observation, self.policy, self.clock.now())

    def stands(self) -> str:
        """Return what happens to a request that this process did not carry out; empty without a request."""
        if not self.asked:
            return ""
        within = human_duration(self.policy.look_every)
        return f". The request stands: run this again, or the service goes on with it within {within}"

    def recent(self, observation: Observation) -> str:
        """Return a sentence if the token was issued recently and every pod runs it; empty otherwise."""
        token = observation.current.token if observation.current else None
        if (
            token is None
            or token.adopted
            or pending(observation)
            or not all(resting(t) for t in observation.targets)
        ):
            return ""
        age = self.clock.now() - token.issued_at
        return (
            f"{described(token)} was issued {human_duration(age)} ago; --force rotates again"
            if age < RECENT
            else ""
        )

    async def rehearse(self, observation: Observation) -> Exit:
        """Show the plan as if the request were on the Secret, and check that Azure knows the gateway."""
        now = self.clock.now()
        await self.arm.preflight(self.resource_id)
        asked = tuple(replace(t, request=Request(now, self.options.leak, "you")) for t in observation.targets)
        wanted = replace(observation, targets=asked)
        step = next_step(self.situation(wanted))
        why = explain(step, self.situation(wanted))
        if isinstance(step, Rest):
            self.progress.end(self.name, f"would wait ({why.reason})", why.text, good=False)
            return Exit.UNSETTLED
        self.progress.tell(self.name, f"would {type(step).__name__} ({why.reason})", why.text)
        if self.options.leak:
            keys = " and ".join(sorted(k for k in exposed(self.situation(observation)) if k)) or "old"
            self.progress.tell(self.name, "would at last revoke", f"all tokens of the {keys} key")
        for target in wanted.targets:
            loads = ", ".join(w.name for w in target.workloads) or "no workload"
            self.progress.tell(self.name, "would then write and restart", f"Secret {target.name}, {loads}")
        missing = [about(a.name, a.why) for a in observation.unreachable]
        missing += [about(t.name, t.misconfiguration) for t in observation.targets if t.misconfiguration]
        for sentence in missing:
            self.progress.end(self.name, "could not", sentence, good=False)
        return Exit.UNSETTLED if missing else Exit.OK

    async def rotate(self, observation: Observation) -> Exit:
        if self.options.leak and observation.condemned and self.options.wait:
            # Continue with a leak that was noted earlier: a new request would condemn the token in place.
            return self.conclude(await self.until_rest())
        noted = await request(self.ports.store, self.clock, leak=self.options.leak, anew=True, by=person())
        if noted is Noted.ABSENT:
            observation = await observe(self.gateway, self.ports)
            self.progress.end(self.name, "Unsettled", why_rest(self.situation(observation)), good=False)
            return Exit.UNSETTLED
        if not self.options.wait:
            return await self.leave_to_service()
        self.asked = True
        return self.conclude(await self.until_rest())

    async def leave_to_service(self) -> Exit:
        """Show what happens to the request, which this process does not carry out."""
        observation = await observe(self.configured, self.ports)
        text = f"a running service notices the request within {human_duration(self.policy.look_every)}"
        if isinstance(next_step(self.situation(observation)), Rest):
            text += f", but cannot go on yet: {why_rest(self.situation(observation))}"
        self.progress.end(self.name, "Requested", text, good=True)
        return Exit.OK

    async def until_rest(self) -> Outcome:
        """Rotate; while another process works on the gateway, retry until it had time to finish."""
        give_up = self.clock.now() + self.policy.rollout_timeout + BUSY_MARGIN
        while True:
            try:
                return await rotate(self.gateway, self.ports.reporting_to(self.reporter))
            except (Busy, LeaseLost):
                if self.clock.now() >= give_up:
                    raise
                holder = self.lease.holder or "another process"
                self.progress.tell(self.name, "Waiting", f"{holder} works on this gateway")
                await self.clock.wait(asyncio.sleep(BUSY_POLL_INTERVAL))

    def conclude(self, outcome: Outcome) -> Exit:
        last = outcome.last
        after, why = last.current, why_rest(self.situation(last))
        if outcome.result is RunResult.ROLLED_BACK:
            self.progress.end(self.name, "RolledBack", why, good=False)
            return Exit.ROLLED_BACK
        if not outcome.proven or after is None or last.condemned:
            self.progress.end(self.name, str(outcome.rest.reason), why, good=False)
            return Exit.UNSETTLED
        if pending(last):
            hint = "" if self.options.force or last.window.open else "; --force does it now"
            held = f"{why}{hint}. The request stands: the service goes on with it when it may"
            self.progress.end(self.name, str(outcome.rest.reason), held, good=False)
            return Exit.UNSETTLED
        text = (
            f"{self.before} → {after.token.fingerprint} on the {after.token.key} key, "
            f"until {stamp(after.token.expires_at)}; every pod runs it"
        )
        if self.options.leak:
            text += ", and the tokens of the key before are dead"
        self.progress.end(self.name, "Rotated", text, good=True)
        return Exit.OK

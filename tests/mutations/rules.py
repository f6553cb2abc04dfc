"""Each rule broken once: what is broken, where, the line as it is, the line as it would be wrong.

The tests of `tests/core` and `tests/rotation` must notice each of them.
"""

from __future__ import annotations

from typing import NamedTuple

P, D, E = "rotator/core/plan.py", "rotator/core/renewal.py", "rotator/core/verification.py"
C, N, R = "rotator/core/checks.py", "rotator/core/adoption.py", "rotator/core/rollout.py"
U, G = "rotator/core/situation.py", "rotator/core/signing.py"
W = "rotator/core/records.py"
A, Q, T = "rotator/rotation/act.py", "rotator/rotation/request.py", "rotator/rotation/loop.py"
S = "rotator/rotation/signer_cache.py"
SENTENCES = (
    "tests/core",
    "tests/rotation/test_signer_cache.py",
    "tests/rotation/test_newcomers.py",
    "tests/rotation/test_revocation.py",
    "tests/rotation/test_leaks.py",
    "tests/rotation/test_roll_back.py",
    "tests/rotation/test_drift.py",
    "tests/rotation/test_fights.py",
    "tests/rotation/test_blockers.py",
    "tests/rotation/test_failures.py",
    "tests/rotation/test_rotation.py",
    "tests/rotation/test_leases.py",
)
QUICK_FIRST = (
    *SENTENCES,
    "tests/rotation/test_properties.py",
    "tests/rotation/test_machine.py",
    "tests/rotation/test_every_call.py",
)


class Mutation(NamedTuple):
    name: str
    file: str
    right: str
    wrong: str
    tests: tuple[str, ...] = QUICK_FIRST


RULES = [
    Mutation("settled: unreachable targets ignored", E, "and not observation.unreachable\n", "\n"),
    Mutation("settled: pods not looked at", E, "            and everything_runs(t)\n", "\n"),
    Mutation(
        "settled: verified not asked",
        E,
        "            and t.record.verified\n            and t.record.decision.order",
        "            and t.record.decision.order",
    ),
    Mutation(
        "settled: signer not asked (trust anything)",
        E,
        "observation.signers.get(current.token.fingerprint) is key.other",
        "True",
    ),
    Mutation(
        "settled: neither verified nor pods",
        E,
        "            and t.record.verified\n            and t.record.decision.order == current.order\n"
        "            and everything_runs(t)\n",
        "\n",
    ),
    Mutation(
        "settled: order not asked", E, "            and t.record.decision.order == current.order\n", "\n"
    ),
    Mutation(
        "pod trusted by template mark alone",
        E,
        "    if (since := record.restored_at) is None or",
        "    return True\n    if (since := record.restored_at) is None or",
    ),
    Mutation(
        "an unknown pod is a witness",
        E,
        "return pod.instance in record.verified_pods",
        "return bool(record.verified_pods)",
    ),
    Mutation("a proof has no witnesses", A, "if p.instance)", "if False)"),
    Mutation("a second token in mid-rollout", C, "and under_way(situation):", "and False:"),
    Mutation("a leak waits for a rollout", C, "and not leaked(observation) and under_way", "and under_way"),
    Mutation(
        "moving taken for sick", R, "not w.healthy and not was_just_restarted(w, situation)", "not w.healthy"
    ),
    Mutation("the same token again", A, "while token.fingerprint in had:", "while False:"),
    Mutation("no CLOCK_TOLERANCE when judging pod start", E, "timedelta(seconds=60)", "timedelta(seconds=0)"),
    Mutation(
        "Blocked though pods' own token is gone",
        R,
        "previous is None or not situation.usable(previous):",
        "previous is None:",
    ),
    Mutation(
        "roll back a proven token",
        R,
        "target.record is not None and not target.verified_at and timed_out",
        "target.record is not None and timed_out",
    ),
    Mutation(
        "another writer's older token adopted",
        N,
        "not (target.drifted and target.expires_at > target.token.expires_at)",
        "not target.drifted",
    ),
    Mutation("adopting restarts", N, "target.fingerprint if named else None", "target.fingerprint"),
    Mutation(
        "roll-back without timeout/failed",
        R,
        "return failed or situation.now >= begun",
        "return False and situation.now >= begun",
    ),
    Mutation(
        "a request older than the adoption is forgotten",
        N,
        "return min(now, target.request.at - timedelta(seconds=1)) if target.request else now",
        "return now",
    ),
    Mutation(
        "flawed target proven",
        E,
        "or target.drifted or target.misconfiguration or target.adopted",
        "or target.drifted or target.adopted",
    ),
    Mutation(
        "flawed target waited for",
        E,
        "        and not (t.misconfiguration and t.healthy)\n",
        "",
    ),
    Mutation(
        "roll-back keeps the revision (newest token wins)",
        C,
        "failed.revision + 1",
        "failed.revision",
    ),
    Mutation("roll back what all pods run", C, "or not back or came_up(target):", "or not back:"),
    Mutation(
        "standby ignores condemned",
        C,
        "return key if key.other in condemned and key not in condemned else key.other",
        "return key.other",
    ),
    Mutation(
        "max_unavailable_targets ignored",
        C,
        "if len(rolling) < policy.max_unavailable_targets or",
        "if True or",
    ),
    Mutation("no alternation of keys", C, "else key.other\n\n\ndef write", "else key\n\n\ndef write"),
    Mutation(
        "rolls back though it may not", C, "    if not situation.policy.roll_back:\n        return None\n", ""
    ),
    Mutation("evicts though it may not", C, "if situation.policy.replace_pods and not", "if not"),
    Mutation(
        "rests for ever",
        P,
        "policy.recheck if unsettled or not situation.current else policy.look_every",
        "policy.lifetime",
    ),
    Mutation(
        "back-off not asked",
        D,
        "if retry_at and situation.now < retry_at and not asked_again(observation):",
        "if False:",
    ),
    Mutation(
        "adopted target lags at once",
        D,
        "if own.token.adopted and own.revision == current.revision:",
        "if False:",
    ),
    Mutation("windows not overridden by panic", D, "or nearly_expired(situation)", ""),
    Mutation(
        "roll back to a dead previous", U, "return not self.observation.dead(token) and token", "return token"
    ),
    Mutation(
        "Revoked not noticed",
        D,
        "if any(observation.dead(t) for t in followed):",
        "if False:",
    ),
    Mutation(
        "earliest: adopted targets' expiry ignored",
        D,
        "return [current.token, *own]",
        "return [current.token]",
    ),
    Mutation(
        "stale event accepted",
        Q,
        "        if is_stale(observation, expires_at, happened_at):\n",
        "        if False:\n",
    ),
    Mutation(
        "a laggard's event counts",
        D,
        "and not (t.record and current and is_behind(t.record.decision, current))",
        "",
    ),
    Mutation(
        "previous = last written, not last proven",
        W,
        "if self.verified_at or token.template_token is None:",
        "if True:",
    ),
    Mutation("failures forgotten at issue", A, "basis.failures if basis and basis.rolled_back else 0", "0"),
    Mutation("issued_at = now, not Lamport", A, "max(now, step.requested_at or now)", "now"),
    Mutation(
        "lease not checked before effects",
        A,
        "    await ports.lease.assert_held()\n    match step:",
        "    match step:",
    ),
    Mutation(
        "regenerate without second look",
        A,
        "if not key_is_unused(replace(observation, signers=signers), key):",
        "if False:",
    ),
    Mutation(
        "re-issue with a fresh expiry",
        A,
        "ports.issuer.issue(key, token.expires_at)",
        "ports.issuer.issue(key, ports.clock.now() + timedelta(days=29))",
    ),
    Mutation(
        "repair forgets to distrust",
        A,
        "kept = replace(target.record, restored_at=now)",
        "kept = target.record",
    ),
    Mutation(
        "repairs are not counted",
        A,
        "            await ports.lease.count_restore()\n            kept",
        "            kept",
    ),
    Mutation(
        "request stamp = now, not Lamport",
        Q,
        "max(now, last_change(observation) + timedelta(seconds=1)) if observation.current else now",
        "now",
    ),
    Mutation(
        "duplicates are noted again", Q, "if again or not is_noted(t, observation, leak=leak)", "if True"
    ),
    Mutation(
        "acts without the lease",
        T,
        "if not self.holds_lease and not await self.ports.lease.acquire(self.observation):",
        "if False:",
    ),
    Mutation(
        "what is on record tells of another writer's token",
        G,
        "and (t.record is None or t.drifted):\n            found",
        "and t.fingerprint not in found:\n            found",
    ),
    Mutation(
        "old answers about another writer's token", S, "return unrecorded or not self", "return not self"
    ),
    Mutation("stale answers before a regenerate", S, "return answers if fresh else", "return"),
    Mutation(
        "a restart asks Azure about every token",
        S,
        "return query.hint is None or not hints or not self._young(self._started, now)",
        "return True",
    ),
]

"""Rules for the worst hour, broken once each: fights, storms, leaks, windows, what cannot be changed."""

from __future__ import annotations

from tests.mutations.rules import Mutation

A, P, C, AD, R, D, E = (
    "rotator/rotation/act.py",
    "rotator/core/plan.py",
    "rotator/core/checks.py",
    "rotator/core/adoption.py",
    "rotator/core/rollout.py",
    "rotator/core/renewal.py",
    "rotator/core/verification.py",
)
T = "rotator/rotation/loop.py"
K, B, N = "rotator/core/limits.py", "rotator/core/revocation.py", "rotator/core/observation.py"

RESTRAINT = [
    Mutation(
        "fight breaker off",
        K,
        "if observation.last_restored_at is None or observation.restores < IMMEDIATE_RESTORES:",
        "if True:",
    ),
    Mutation(
        "a fight never becomes a truce",
        K,
        "if observation.restores >= RESTORES_BEFORE_LONGEST_BACKOFF:",
        "if False:",
    ),
    Mutation(
        "a reverted template is no fight",
        C,
        "if not reverted(target, w) or may_restore(situation)",
        "if True",
    ),
    Mutation(
        "a reverted template is not counted",
        A,
        "    if reverted(step.target, step.workload):\n        await ports.lease.count_restore()\n",
        "",
    ),
    Mutation(
        "an adoption over our mark is no fight",
        AD,
        "(token.template_token is None or may_restore(situation))",
        "True",
    ),
    Mutation(
        "an adoption over our mark is not counted",
        A,
        "            if decision.token.template_token:\n                await ports.lease.count_restore()\n",
        "            if decision.token.template_token:\n                pass\n",
    ),
    Mutation(
        "a token over a drifted one is not counted",
        A,
        "    if step.target.drifted:\n        await ports.lease.count_restore()\n",
        "",
    ),
    Mutation(
        "a fight is no reason not to issue",
        C,
        "or not observation.workable or not may_issue(situation):",
        "or not observation.workable:",
    ),
    Mutation("no budget of restarts", C, "if may_restart(w, policy, now)", "if True"),
    Mutation(
        "restarts of this hour forgotten",
        K,
        "return workload.restarts + 1, since",
        "return 1, since",
    ),
    Mutation(
        "a reverted template: since when not asked",
        K,
        "return workload.restarted_at >= max(",
        "return workload.restarted_at <= max(",
    ),
]

REVOCATION = [
    Mutation("the Lease's condemned keys forgotten", N, "return self.remembered | (", "return ("),
    Mutation("condemned keys not put on the Lease", A, "    await ports.lease.condemn(step.condemned)\n", ""),
    Mutation(
        "an ended key stays condemned",
        A,
        "    await ports.lease.condemn(observation.condemned - {key})\n",
        "",
    ),
    Mutation(
        "an ended key stays condemned on the Secret",
        A,
        "            await ports.store.write(target, None, replace(record, decision=decision))\n",
        "",
    ),
    Mutation(
        "a leak condemns nothing",
        C,
        "{k for k in exposed(situation) if k} if leaked(observation) else set()",
        "set()",
    ),
    Mutation(
        "a leak ends the current key only",
        C,
        "{k for k in exposed(situation) if k} if leaked",
        "{key} if key and leaked",
    ),
    Mutation(
        "issued on a key that may be ended any moment",
        C,
        "standby_key(key, condemned | policy.avoid)",
        "standby_key(key, condemned)",
    ),
    Mutation(
        "a new target leads the others astray",
        AD,
        "if current is None or token.template_token is not None:",
        "if True:",
    ),
    Mutation("all suspects are evicted at once", E, "(can_spare_a_pod(w) or not p.works)", "True"),
    Mutation(
        "a fight lets a token expire",
        K,
        "return may_restore(situation) or (\n        urgent and",
        "return may_restore(situation) or (\n        False and",
    ),
    Mutation(
        "an event about an absent target is stale",
        "rotator/rotation/request.py",
        "if any(u.transient for u in observation.unreachable):",
        "if False:",
    ),
    Mutation(
        "a roll-back forgets the condemned key",
        C,
        "back, situation.observation.condemned, failures",
        "back, frozenset(), failures",
    ),
    Mutation(
        "a key is tried again though it failed",
        T,
        "replace(self.policy, regenerate_keys=False, avoid=avoid)",
        "replace(self.policy, avoid=avoid)",
    ),
    Mutation(
        "a key that failed stops the run",
        A,
        "    except (Refused, Unavailable) as error:\n        raise KeyRegenerationFailed(key, error) from error",
        "    except ZeroDivisionError as error:\n        raise KeyRegenerationFailed(key, error) from error",
    ),
    Mutation("old answers after a regenerate", A, "    ports.signers.forget()\n", ""),
    Mutation(
        "regenerate without time on the Lease",
        A,
        "    await ports.lease.assert_held(ports.revoker.call_timeout)\n",
        "",
    ),
    Mutation(
        "a leaked key ends unsettled",
        B,
        "for k in sorted(observation.condemned) if key_is_unused(observation, k)",
        "for k in sorted(observation.condemned)",
    ),
    Mutation(
        "after-verify ends a key unsettled and unlooked",
        B,
        "if key_is_unused(observation, key) and proven_long_enough(",
        "if proven_long_enough(",
    ),
    Mutation(
        "before-reuse though unsettled",
        C,
        "is Revocation.BEFORE_REUSE\n        and key_is_unused(observation, standby)",
        "is Revocation.BEFORE_REUSE",
    ),
    Mutation(
        "a key ends though it may not",
        B,
        "or not policy.regenerate_keys:\n        return None",
        "or False:\n        return None",
    ),
    Mutation("revoked though never", B, "if policy.revoke is not Revocation.AFTER_VERIFY or", "if"),
    Mutation(
        "what is on record is proof enough",
        T,
        "if needs_proof(Situation(observation, gateway.policy, now)):",
        "if False:",
    ),
    Mutation(
        "revoke_after ignored",
        B,
        "at + situation.policy.revoke_after <= situation.now for at in since",
        "True for at in since",
    ),
    Mutation(
        "dead previous regenerated again", B, "or not key or observation.dead(previous) or", "or not key or"
    ),
    Mutation(
        "expired previous regenerated",
        B,
        "observation.dead(previous) or previous.expires_at <= situation.now:",
        "observation.dead(previous):",
    ),
]

HOURS = [
    Mutation(
        "a leak waits for a window",
        D,
        "if observation.window.open or leaked(observation) else",
        "if observation.window.open else",
    ),
    Mutation(
        "a leaked token is kept for want of a window",
        R,
        "(observation.window.open or leaves_leaked_token(target, observation))",
        "observation.window.open",
    ),
    Mutation(
        "a wish after a failure waits", D, "< retry_at and not asked_again(observation):", "< retry_at:"
    ),
    Mutation(
        "one fight starves all other repairs",
        C,
        "return min(drifted, key=lambda d: d[0])[1]",
        "return drifted[0][1]",
    ),
    Mutation(
        "a pod that blocks an adopted token stays",
        C,
        "    for target in situation.observation.workable:  # also where the token was adopted\n",
        "    for target in targets_to_verify(situation.observation):\n",
    ),
    Mutation(
        "window not asked for restarts",
        R,
        "return stuck or not (observation.window.open or leaves_leaked_token(target, observation))",
        "return stuck",
    ),
    Mutation(
        "sick not asked", R, "return stuck or not (observation.window", "return not (observation.window"
    ),
    Mutation(
        "window not asked for tokens",
        D,
        "return reason if observation.window.open or leaked(observation) else None",
        "return reason",
    ),
    Mutation("urgent things wait for windows", D, "reason in URGENT or nearly_expired", "nearly_expired"),
    Mutation(
        "no look when a window opens",
        P,
        "[observation.window.turns_at, conflict_backoff_until(observation)]",
        "[conflict_backoff_until(observation)]",
    ),
    Mutation(
        "pods of a target that joins are trusted",
        C,
        "Write(target, requiring_restart(current))",
        "Write(target, current)",
    ),
    Mutation(
        "pods beside an adopted token are trusted for ever",
        E,
        "touched = record.decision.rolled_back or record.restored_at is not None",
        "touched = record.decision.rolled_back",
    ),
    Mutation(
        "pods that were there at the adoption are suspects",
        A,
        "record = replace(record, verified_pods=instances(target))",
        "pass",
    ),
    Mutation(
        "a restart after the proof needs none",
        E,
        "    return verified(target)\n",
        "    return record.verified\n",
    ),
    Mutation(
        "old pods on their way out fail a token", C, "or came_up(target):", "or everything_runs(target):"
    ),
    Mutation(
        "proven before what it proves",
        A,
        "verified_at = max([now, *(at for at in before if at)])",
        "verified_at = now",
    ),
    Mutation(
        "a mark in a copied manifest is proof",
        A,
        "        record = replace(record, restored_at=now)\n",
        "        pass\n",
    ),
    Mutation(
        "a token whose mark is there already",
        A,
        "step.target, named_tokens(step.target)",
        "step.target, set()",
    ),
    Mutation(
        "a leak that is left already has no budget",
        K,
        "workload.template_token == target.previous_token.template_token",
        "True",
    ),
    Mutation("what does not last is done for ever", T, "        self.count(step)\n", ""),
    Mutation(
        "an Azure that does not answer is asked again at once",
        A,
        "if observation.current and observation.current.token.fingerprint not in signers:",
        "if False:",
    ),
    Mutation(
        "pods beside an adopted token are not awaited",
        C,
        "[*targets_to_verify(observation), *restored_targets(observation)]",
        "targets_to_verify(observation)",
    ),
]

TROUBLE = [
    Mutation(
        "one target's trouble stops the rest",
        T,
        "        if not self.failures:\n            return observation\n",
        "        return observation\n",
    ),
    Mutation(
        "trouble is not told",
        T,
        "        if self.failures:\n            raise combine(failure.error for failure in self.failures.values())\n",
        "",
    ),
    Mutation(
        "works on though another process took over",
        A,
        "    await ports.lease.assert_held()\n    await ports.lease.condemn",
        "    await ports.lease.condemn",
    ),
    Mutation(
        "a suspect's successor is evicted again",
        E,
        "restored_at + 2 * CLOCK_TOLERANCE",
        "restored_at + CLOCK_TOLERANCE",
    ),
    Mutation(
        "every broken pod is deleted",
        E,
        "if target.record and w.ordered and w.restarted_at",
        "if target.record and w.restarted_at",
    ),
    Mutation(
        "a blocking pod is waited for",
        E,
        "if target.record and w.ordered and w.restarted_at",
        "if False and w.restarted_at",
    ),
    Mutation(
        "a blocking pod of an older decision is waited for",
        E,
        "        if p.pod_token != w.template_token\n        and not p.works",
        "        if target.record and not target.stale_workloads and p.pod_token != w.template_token\n        and not p.works",
    ),
    Mutation(
        "a conflict stops the run", T, "        except Conflict:\n", "        except ZeroDivisionError:\n"
    ),
    Mutation("the lease is kept", T, "        await ports.lease.release()\n", "        pass\n"),
]

WORST_HOUR = [*RESTRAINT, *REVOCATION, *HOURS, *TROUBLE]

"""Rules for the worst hour, broken once each: fights, storms, leaks, windows, what cannot be changed."""

from __future__ import annotations

from tests.mutations.rules import Mutation

A, P, D, E = (
    "rotator/rotation/act.py",
    "rotator/core/plan.py",
    "rotator/core/renewal.py",
    "rotator/core/verification.py",
)
T = "rotator/rotation/loop.py"
K, B, N = "rotator/core/limits.py", "rotator/core/revocation.py", "rotator/core/observation.py"

RESTRAINT = [
    Mutation(
        "fight breaker off",
        K,
        "if seen.last_restored_at is None or seen.restores < IMMEDIATE_RESTORES:",
        "if True:",
    ),
    Mutation(
        "a fight never becomes a truce", K, "if seen.restores >= RESTORES_BEFORE_CONFLICT:", "if False:"
    ),
    Mutation(
        "a reverted template is no fight", P, "if not reverted(t, w) or may_restore(seen, now)", "if True"
    ),
    Mutation(
        "a reverted template is not counted",
        A,
        "    if reverted(step.target, step.workload):\n        await ports.lease.count_restore()\n",
        "",
    ),
    Mutation(
        "an adoption over our mark is no fight",
        P,
        "(token.template_token is None or may_restore(seen, now))",
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
        P,
        "or not seen.workable or not may_issue(seen, policy, now):",
        "or not seen.workable:",
    ),
    Mutation("no budget of restarts", P, "if may_restart(w, policy, now)", "if True"),
    Mutation(
        "restarts of this hour forgotten",
        K,
        "return w.restarts + 1, w.counted_since",
        "return 1, w.counted_since",
    ),
    Mutation(
        "a reverted template: since when not asked",
        K,
        "return w.restarted_at >= max(",
        "return w.restarted_at <= max(",
    ),
]

REVOCATION = [
    Mutation("the Lease's condemned keys forgotten", N, "return self.remembered | (", "return ("),
    Mutation("condemned keys not put on the Lease", A, "    await ports.lease.condemn(step.condemned)\n", ""),
    Mutation(
        "an ended key stays condemned", A, "    await ports.lease.condemn(seen.condemned - {key})\n", ""
    ),
    Mutation(
        "an ended key stays condemned on the Secret",
        A,
        "            await ports.fleet.write(t, None, replace(t.record, decision=decision))\n",
        "",
    ),
    Mutation(
        "a leak condemns nothing",
        P,
        "({k for k in exposed(seen, now) if k} if leaked(seen) else set())",
        "set()",
    ),
    Mutation(
        "a leak ends the current key only",
        P,
        "{k for k in exposed(seen, now) if k} if leaked",
        "{key} if key and leaked",
    ),
    Mutation(
        "issued on a key that may be ended any moment",
        P,
        "standby_key(key, condemned | policy.avoid)",
        "standby_key(key, condemned)",
    ),
    Mutation(
        "a new target leads the others astray",
        P,
        "if current is None or token.template_token is not None:",
        "if True:",
    ),
    Mutation("all suspects are evicted at once", E, "(steady(w) or not p.works)", "True"),
    Mutation(
        "a fight lets a token expire",
        K,
        "return may_restore(seen, now) or (urgent and",
        "return may_restore(seen, now) or (False and",
    ),
    Mutation(
        "an event about an absent target is stale",
        "rotator/rotation/request.py",
        "if any(a.transient for a in seen.unreachable):",
        "if False:",
    ),
    Mutation(
        "a roll-back forgets the condemned key",
        P,
        "back,\n                    seen.condemned,",
        "back,\n                    frozenset(),",
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
        "    await ports.lease.assert_held(ports.revoker.patience)\n",
        "",
    ),
    Mutation(
        "a leaked key ends unsettled",
        B,
        "for k in sorted(seen.condemned) if key_is_unused(seen, k)",
        "for k in sorted(seen.condemned)",
    ),
    Mutation(
        "after-verify ends a key unsettled and unlooked",
        B,
        "if key_is_unused(seen, key) and proven_long_enough(",
        "if proven_long_enough(",
    ),
    Mutation(
        "before-reuse though unsettled",
        P,
        "is Revocation.BEFORE_REUSE and key_is_unused(seen, standby)",
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
        "what is on record is proof enough", T, "if needs_proof(seen, gateway.policy, now):", "if False:"
    ),
    Mutation(
        "revoke_after ignored", B, "at + policy.revoke_after <= now for at in since", "True for at in since"
    ),
    Mutation(
        "dead previous regenerated again", B, "or not key or seen.dead(previous.token) or", "or not key or"
    ),
    Mutation(
        "expired previous regenerated",
        B,
        "seen.dead(previous.token) or previous.token.expires_at <= now:",
        "seen.dead(previous.token):",
    ),
]

HOURS = [
    Mutation(
        "a leak waits for a window",
        D,
        "if seen.window.open or (request and request.leak) else",
        "if seen.window.open else",
    ),
    Mutation(
        "a leaked token is kept for want of a window",
        E,
        "(seen.window.open or leaves_leaked_token(t, seen))",
        "seen.window.open",
    ),
    Mutation(
        "a wish after a failure waits", D, "current.retry_at and not asked_again(seen):", "current.retry_at:"
    ),
    Mutation(
        "one fight starves all other repairs",
        P,
        "return min(drifted, key=lambda d: d[0])[1]",
        "return drifted[0][1]",
    ),
    Mutation(
        "a pod that blocks an adopted token stays",
        P,
        "    for t in seen.workable:  # also those of an adopted token, to which a target may have been rolled back\n",
        "    for t in current_targets(seen):\n",
    ),
    Mutation(
        "window not asked for restarts",
        E,
        "return sick or not (seen.window.open or leaves_leaked_token(t, seen))",
        "return sick",
    ),
    Mutation(
        "sick not asked", E, "return sick or not (seen.window.open or", "return not (seen.window.open or"
    ),
    Mutation(
        "window not asked for tokens",
        D,
        "return reason if seen.window.open or (request and request.leak) else None",
        "return reason",
    ),
    Mutation("urgent things wait for windows", D, "reason in URGENT or panics", "panics"),
    Mutation(
        "nobody looks when a window opens",
        P,
        "for t in (seen.window.turns_at, conflict_backoff_until(seen)) if",
        "for t in (conflict_backoff_until(seen),) if",
    ),
    Mutation("pods of a target that joins are trusted", P, "Write(t, marked(current))", "Write(t, current)"),
    Mutation(
        "pods beside an adopted token are trusted for ever",
        E,
        "touched = r.decision.rolled_back or r.restored_at is not None",
        "touched = r.decision.rolled_back",
    ),
    Mutation(
        "pods that were there at the adoption are suspects",
        A,
        "record = replace(record, verified_pods=instances(target))",
        "pass",
    ),
    Mutation(
        "a restart after the proof needs none", E, "    return verified(t)\n", "    return r.verified\n"
    ),
    Mutation("old pods on their way out fail a token", P, "or came_up(t):", "or everything_runs(t):"),
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
        "step.target.record, named_tokens(step.target)",
        "step.target.record, set()",
    ),
    Mutation(
        "a leak that is left already has no budget",
        K,
        "w.template_token == t.record.previous.token.template_token",
        "True",
    ),
    Mutation("what does not last is done for ever", T, "        self.count(step)\n", ""),
    Mutation(
        "an Azure that does not answer is asked again at once",
        A,
        "if seen.current and seen.current.token.fingerprint not in signers:",
        "if False:",
    ),
    Mutation(
        "nobody waits for pods beside an adopted token",
        P,
        "[*current_targets(seen), *restored_targets(seen)]",
        "current_targets(seen)",
    ),
]

TROUBLE = [
    Mutation(
        "one target's trouble stops the rest",
        T,
        "        if not self.troubles:\n            return seen\n",
        "        return seen\n",
    ),
    Mutation(
        "trouble is not told",
        T,
        "        if self.troubles:\n            raise combine(t.error for t in self.troubles.values())\n",
        "",
    ),
    Mutation(
        "works on though another process took over",
        A,
        "    await ports.lease.assert_held()\n    await ports.lease.condemn",
        "    await ports.lease.condemn",
    ),
    Mutation("a suspect's successor is evicted again", E, "restored_at + 2 * SLACK", "restored_at + SLACK"),
    Mutation(
        "every broken pod is deleted",
        E,
        "if t.record and w.ordered and w.restarted_at",
        "if t.record and w.restarted_at",
    ),
    Mutation(
        "a blocking pod is waited for",
        E,
        "if t.record and w.ordered and w.restarted_at",
        "if False and w.restarted_at",
    ),
    Mutation(
        "a blocking pod of an older decision is waited for",
        E,
        "        if p.pod_token != w.template_token and not p.works",
        "        if t.record and w.template_token == t.record.decision.token.template_token != p.pod_token and not p.works",
    ),
    Mutation(
        "a conflict stops the run", T, "        except Conflict:\n", "        except ZeroDivisionError:\n"
    ),
    Mutation("the lease is kept", T, "        await ports.lease.release()\n", "        pass\n"),
]

WORST_HOUR = [*RESTRAINT, *REVOCATION, *HOURS, *TROUBLE]

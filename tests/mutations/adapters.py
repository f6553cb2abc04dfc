"""Rules of the rooms around the core, broken once each; the tests that must notice stand beside each."""

from __future__ import annotations

from tests.mutations.rules import Mutation

STORE, PATCHES, LEASE, SECRET = (
    "rotator/kube/targets/store.py",
    "rotator/kube/targets/patches.py",
    "rotator/kube/lease.py",
    "rotator/kube/targets/secret.py",
)
WEBHOOK, WORKQUEUE, EVENT_HANDLER = (
    "rotator/eventgrid/webhook.py",
    "rotator/daemon/work/workqueue.py",
    "rotator/daemon/work/event_handler.py",
)
AUTHENTICATION, GUARD, BEARER, PULL = (
    "rotator/eventgrid/auth/authentication.py",
    "rotator/eventgrid/auth/guard.py",
    "rotator/eventgrid/auth/entra.py",
    "rotator/eventgrid/pull/puller.py",
)
ARM, DEADLINE = "rotator/azure/client.py", "rotator/web/deadline.py"
REVOKER = ("tests/azure/test_revoker.py",)
AUTHENTICATION_TESTS = (
    "tests/eventgrid/auth/test_authentication.py",
    "tests/eventgrid/auth/test_entra.py",
    "tests/eventgrid/auth/test_jwks.py",
    "tests/eventgrid/auth/test_shared_secret.py",
)
PUBLIC_PORT = ("tests/web/test_deadline.py", "tests/daemon/test_public_port.py")
EVENTS = ("tests/process/test_events.py",)
WRITES = ("tests/kube/targets/test_writes.py",)

ADAPTERS = [
    Mutation(
        "a write without a precondition",
        PATCHES,
        '            "resourceVersion": target.version,\n',
        "",
        WRITES,
    ),
    Mutation(
        "a restart without a precondition",
        PATCHES,
        '            "resourceVersion": workload.version,\n',
        "",
        ("tests/kube/targets/test_changed.py",),
    ),
    Mutation(
        "the value without its record",
        PATCHES,
        "annotations = encode_record(record) | encode_location(",
        "annotations = encode_location(",
        WRITES,
    ),
    Mutation(
        "a mark that differs from run to run",
        PATCHES,
        '{"annotations": {TOKEN_ANNOTATION: template_token}}',
        '{"annotations": {TOKEN_ANNOTATION: f"{template_token}-{now}"}}',
        ("tests/kube/targets/test_writes.py", "tests/process/test_rotation.py"),
    ),
    Mutation(
        "a live holder's lease is taken",
        LEASE,
        'if state.holder not in {"", self._identity} and self.expires_in > timedelta():',
        "if False:",
        ("tests/kube/test_lease.py",),
    ),
    Mutation(
        "a lost lease is not noticed",
        LEASE,
        "if self._held_until is None or self._monotonic() >= self._held_until - spare:",
        "if False:",
        ("tests/kube/test_lease_renewal.py",),
    ),
    Mutation(
        "another gateway's token is overwritten",
        SECRET,
        "    if record and token.fingerprint != record.decision.token.fingerprint:\n",
        "    if True:\n",
        ("tests/kube/targets/test_unobserved.py", "tests/kube/targets/test_secret.py"),
    ),
    Mutation(
        "a password is overwritten",
        SECRET,
        "        if record:\n            return fingerprint(text), None, True",
        "        if True:\n            return fingerprint(text), None, True",
        ("tests/kube/targets/test_unobserved.py", "tests/kube/targets/test_secret.py"),
    ),
    Mutation(
        "the copy that kubectl left stays",
        PATCHES,
        "        annotations[LAST_APPLIED] = None\n",
        "        pass\n",
        ("tests/kube/targets/test_writes.py", "tests/process/test_leaks.py"),
    ),
    Mutation(
        "401 for a passing fault",
        WEBHOOK,
        'return JSONResponse({"error": "not now"}, 503,',
        'return JSONResponse({"error": "not now"}, 401,',
        ("tests/eventgrid/test_webhook.py",),
    ),
    Mutation(
        "2xx though it could not be noted",
        EVENT_HANDLER,
        "            raise failed\n",
        '            return ["accepted"] * len(events)\n',
        EVENTS,
    ),
    Mutation(
        "a wake-up without a request",
        EVENT_HANDLER,
        "            outcome = await request(ports.store, ports.clock, expires_at=event.expires_at, by=by)\n",
        "            outcome = Noted.ACCEPTED\n",
        EVENTS,
    ),
    Mutation(
        "a wake-up during a run is lost",
        WORKQUEUE,
        "        while causes := self._causes.pop(name, None):",
        "        if causes := self._causes.pop(name, None):",
        ("tests/daemon/work/test_workqueue.py",),
    ),
    Mutation(
        "a token has a repr",
        "rotator/core/access_token.py",
        "value: str = field(repr=False)",
        "value: str",
        ("tests/core/test_access_token.py",),
    ),
    Mutation(
        "an error quotes what it could not read",
        "rotator/core/access_token.py",
        '''f"a token has three parts joined by '&'; this text has {len(parts)}"''',
        '''f"a token has three parts joined by '&'; this is {text}"''',
        ("tests/core/test_access_token.py",),
    ),
    Mutation(
        "a request is not written down",
        STORE,
        "        await self._patch_secret(target, request_patch(target, request))",
        "        return",
        ("tests/process/test_crashes.py",),
    ),
    Mutation(
        "the lease need not outlast a regenerate",
        LEASE,
        "spare = max(self._margin, lasting.total_seconds())",
        "spare = self._margin",
        ("tests/kube/test_lease.py", "tests/kube/test_lease_renewal.py", "tests/kube/test_lease_restores.py"),
    ),
    Mutation("the SDK repeats a regenerate", ARM, "retry_total=0", "retry_total=3", REVOKER),
    Mutation(
        "a regenerate may take for ever", ARM, "min(within, self._within)", "self._within * 1000", REVOKER
    ),
    Mutation(
        "401 while authentication is undecided",
        GUARD,
        "await refuse(503, scope, receive, send, retry_after=result.retry_after)",
        "await refuse(401, scope, receive, send)",
        AUTHENTICATION_TESTS,
    ),
    Mutation(
        "a fault of authentication is a refusal",
        AUTHENTICATION,
        "return AuthResult(AuthOutcome.UNDECIDED, INTERNAL_ERROR, RETRY_AFTER_DEFECT)",
        "return AuthResult(AuthOutcome.FORBIDDEN, INTERNAL_ERROR, RETRY_AFTER_DEFECT)",
        AUTHENTICATION_TESTS,
    ),
    Mutation(
        "keys that cannot be fetched condemn a token",
        BEARER,
        "return AuthResult(AuthOutcome.UNDECIDED, str(error), wait)",
        "return _invalid(str(error))",
        AUTHENTICATION_TESTS,
    ),
    Mutation(
        "a clock that is wrong loses events",
        BEARER,
        "return AuthResult(AuthOutcome.UNDECIDED, CLOCK, 60)",
        "return _invalid(CLOCK)",
        AUTHENTICATION_TESTS,
    ),
    Mutation(
        "any tenant's token will do",
        BEARER,
        "_check_tenant(claims, self.expected)\n            or ",
        "",
        AUTHENTICATION_TESTS,
    ),
    Mutation(
        "the webhook takes what was not authenticated",
        WEBHOOK,
        "if self.settings.authenticated and not request.scope.get(AUTHENTICATED_MARK):",
        "if False:",
        ("tests/eventgrid/test_webhook_subscriptions.py",),
    ),
    Mutation(
        "a delivery has no deadline",
        DEADLINE,
        "async with asyncio.timeout(self._seconds) as deadline:",
        "async with asyncio.timeout(None) as deadline:",
        PUBLIC_PORT,
    ),
    Mutation(
        "401 when the deadline passes",
        DEADLINE,
        'JSONResponse({"error": "not now"}, 503,',
        'JSONResponse({"error": "not now"}, 401,',
        PUBLIC_PORT,
    ),
    Mutation(
        "the deadline cuts off an answer that has begun",
        DEADLINE,
        "                        deadline.reschedule(None)",
        "                        pass",
        PUBLIC_PORT,
    ),
    Mutation(
        "an event that is being noted is dropped at the deadline",
        EVENT_HANDLER,
        "            return await asyncio.shield(task)\n",
        "            return await task\n",
        PUBLIC_PORT,
    ),
    Mutation(
        "a handshake without a credential is as large as a delivery",
        "rotator/daemon/public_port.py",
        "BodyLimit(webhook, MAX_HANDSHAKE_BYTES,",
        "BodyLimit(webhook, settings.max_body_bytes,",
        PUBLIC_PORT,
    ),
    Mutation(
        "an event is acknowledged though it does not last",
        PULL,
        "                if isinstance(outcome, RotatorError):\n",
        "                if False:\n",
        ("tests/eventgrid/pull/test_puller.py", "tests/eventgrid/pull/test_puller_faults.py"),
    ),
    Mutation(
        "locks of events are not renewed",
        PULL,
        'await self._settle("kept", locks, self._queue.renew(locks))',
        "pass",
        ("tests/eventgrid/pull/test_puller_locks.py",),
    ),
    Mutation(
        "poison comes for ever",
        PULL,
        'await self._settle("rejected", batch.invalid, self._queue.reject(batch.invalid))',
        "pass",
        ("tests/eventgrid/pull/test_puller.py", "tests/eventgrid/pull/test_puller_faults.py"),
    ),
]

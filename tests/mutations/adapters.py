"""Rules of the rooms around the core, broken once each; the tests that must notice stand beside each."""

from __future__ import annotations

from tests.mutations.rules import Mutation

FLEET, LEASE, CONTENTS = "rotator/kube/fleet.py", "rotator/kube/lease.py", "rotator/kube/contents.py"
WEBHOOK, WAKEUPS, DISPATCH = (
    "rotator/triggers/webhook.py",
    "rotator/triggers/wakeups.py",
    "rotator/daemon/dispatch.py",
)
EVENTS = ("tests/process/test_events.py",)
WRITES = ("tests/kube/test_writes.py",)

ADAPTERS = [
    Mutation(
        "a write without a precondition",
        FLEET,
        '        body["metadata"]["resourceVersion"] = target.version\n',
        "",
        WRITES,
    ),
    Mutation(
        "a restart without a precondition",
        FLEET,
        '                "resourceVersion": workload.version,\n',
        "",
        ("tests/kube/test_changed.py",),
    ),
    Mutation(
        "the value without its record",
        FLEET,
        'body: Json = {"metadata": {"annotations": dict(encode_record(record))}}',
        'body: Json = {"metadata": {"annotations": {}}}',
        WRITES,
    ),
    Mutation(
        "a mark that differs from run to run",
        FLEET,
        '{"annotations": {MARK: mark}}',
        '{"annotations": {MARK: f"{mark}-{self._clock()}"}}',
        ("tests/kube/test_writes.py", "tests/process/test_rotation.py"),
    ),
    Mutation(
        "a lease of somebody who lives is taken",
        LEASE,
        'if state.holder not in {"", self._identity} and self.expires_in > timedelta():',
        "if False:",
        ("tests/kube/test_lease.py",),
    ),
    Mutation(
        "a lost lease is not noticed",
        LEASE,
        "if self._good_until is None or self._monotonic() >= self._good_until - self._margin:",
        "if False:",
        ("tests/kube/test_lease_renewal.py",),
    ),
    Mutation(
        "another gateway's token is overwritten",
        CONTENTS,
        "    if ours:\n        return token.fingerprint, None, token.prefixed\n    raise",
        "    if True:\n        return token.fingerprint, None, token.prefixed\n    raise",
        ("tests/kube/test_absent.py", "tests/kube/test_contents.py"),
    ),
    Mutation(
        "a password is overwritten",
        CONTENTS,
        "        if ours:\n            return fingerprint(text), None, True",
        "        if True:\n            return fingerprint(text), None, True",
        ("tests/kube/test_absent.py", "tests/kube/test_contents.py"),
    ),
    Mutation(
        "the copy that kubectl left stays",
        FLEET,
        '            body["metadata"]["annotations"][LAST_APPLIED] = None\n',
        "            pass\n",
        ("tests/kube/test_writes.py", "tests/process/test_leaks.py"),
    ),
    Mutation(
        "401 for a passing fault",
        WEBHOOK,
        'return JSONResponse({"error": "not now"}, 503,',
        'return JSONResponse({"error": "not now"}, 401,',
        ("tests/triggers/test_webhook.py",),
    ),
    Mutation(
        "2xx though it could not be noted",
        DISPATCH,
        "            raise failed\n",
        '            return ["accepted"] * len(events)\n',
        EVENTS,
    ),
    Mutation(
        "a wake-up without a request",
        DISPATCH,
        "        outcome = await request(\n"
        "            unit.fleet, self._clock, expires_at=event.expires_at, seen_at=event.time, by=by\n        )\n",
        "        outcome = Noted.ACCEPTED\n",
        EVENTS,
    ),
    Mutation(
        "a wake-up during a run is lost",
        WAKEUPS,
        "        while causes := self._causes.pop(name, None):",
        "        if causes := self._causes.pop(name, None):",
        ("tests/triggers/test_wakeups.py",),
    ),
    Mutation(
        "a token has a repr",
        "rotator/core/token.py",
        "value: str = field(repr=False)",
        "value: str",
        ("tests/core/test_token.py",),
    ),
    Mutation(
        "an error quotes what it could not read",
        "rotator/core/token.py",
        '''f"a token has three parts joined by '&'; this text has {len(parts)}"''',
        '''f"a token has three parts joined by '&'; this is {text}"''',
        ("tests/core/test_token.py",),
    ),
    Mutation(
        "a request is not written down",
        FLEET,
        '        await self._patch(target, {"metadata": {"annotations": dict(encode_request(request))}})',
        "        return",
        ("tests/process/test_crashes.py",),
    ),
]

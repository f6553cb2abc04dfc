"""What a cluster answers, and any writer with access may have changed, as targets: annotations, Leases, answers."""

from __future__ import annotations

import contextlib
import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta

from rotator.core.access_token import fingerprint
from rotator.core.messages import explain
from rotator.core.observation import Observation, Pod, Request, Workload
from rotator.core.observation import Target as Seen
from rotator.core.plan import next_step
from rotator.core.policy import Policy
from rotator.core.records import Decision, Key, Proven, Record, Revocation, Token
from rotator.core.situation import Situation
from rotator.errors import Refused, RotatorError, Unavailable
from rotator.kube.client.paths import Access
from rotator.kube.client.responses import failure, parse
from rotator.kube.lease_state import CONDEMNED, LAST_RESTORED_AT, RESTORES, LeaseState, read_lease
from rotator.kube.targets.annotations import (
    decode_record,
    decode_request,
    encode_record,
    encode_request,
)
from rotator.kube.targets.secret import LAST_APPLIED, read_secret, read_token
from rotator.redaction import redact_quoted
from rotator.rotation.request import lamport_stamp
from tests.eventgrid.builders import body
from tests.fuzz.edges import CANARY, TOKEN, parsed, texts_in
from tests.fuzz.guided import Target

NOW = datetime(2026, 3, 1, tzinfo=UTC)
ENDS = datetime(2030, 1, 1, tzinfo=UTC)
POLICIES = tuple(Policy(revoke=way) for way in Revocation)
ACCESS = Access("get", "", "secrets", "apim", "token")


def record(raw: bytes) -> None:
    """Whatever the annotations are: a record that is written as it was read, or none."""
    annotations = texts_in(parsed(raw))
    if found := decode_record(annotations, "here"):
        written = {name: said for name, said in encode_record(found).items() if said is not None}
        assert decode_record(written, "here") == found
    if asked := decode_request(annotations, "here"):
        again = {name: said for name, said in encode_request(asked).items() if said is not None}
        assert decode_request(again, "here") in {asked, Request(asked.at, asked.leak, asked.by[:200])}


def secret(raw: bytes) -> None:
    """A Secret as it may be found: it is understood or refused, and then the plan has a step for it."""
    found = parsed(raw)
    if not isinstance(found, dict):
        return
    meta = {"resourceVersion": "1", "annotations": texts_in(found.get("annotations"))}
    values = texts_in(found.get("values"))
    whole = {"metadata": meta, "data": {k: b64encode(v.encode()).decode() for k, v in values.items()}}
    try:
        contents = read_secret(whole, "Secret apim/token", None, "oslo")
    except Refused as error:
        assert CANARY not in str(error)
        return
    read_token(whole, contents.key)
    target = Seen("t", contents.fingerprint, contents.expires_at, contents.record, (), contents.request)
    _planned(target, read_lease(_lease(found.get("lease"))))


def lease(raw: bytes) -> None:
    """What is counted on a Lease, and what the plan makes of it when a Secret has drifted."""
    state = read_lease(_lease(parsed(raw)))
    _planned(Seen("t", "0" * 12, ENDS, _RECORD, ()), state)


def _lease(said: object) -> dict[str, object]:
    given = said if isinstance(said, dict) else {}
    spec = {"holderIdentity": "a", "leaseTransitions": 3, "leaseDurationSeconds": 30}
    return {"metadata": {"resourceVersion": "1", "annotations": texts_in(given)}, "spec": spec}


def _planned(target: Seen, state: LeaseState) -> None:
    marks = (target.fingerprint, None)
    pods = tuple(Pod(f"p{n}", mark, NOW - timedelta(hours=1), True) for n, mark in enumerate(marks))
    busy = Workload("deployment/w", marks[0], NOW - timedelta(hours=2), False, pods)
    broken = [Workload("deployment/w", mark, NOW - timedelta(hours=2), True, pods) for mark in marks]
    for workloads in ((), (busy,), *((w,) for w in broken)):
        at_work = Seen("t", target.fingerprint, target.expires_at, target.record, workloads, target.request)
        signers = {target.fingerprint: Key.PRIMARY} if target.fingerprint else {}
        seen = Observation(
            (at_work,),
            (),
            signers,
            state.restores,
            state.last_restored_at,
            lease="1",
            remembered=state.condemned,
        )
        for policy in POLICIES:
            step = next_step(Situation(seen, policy, NOW))
            assert CANARY not in str(explain(step, Situation(seen, policy, NOW)))
        lamport_stamp(seen, NOW)


def answer(raw: bytes) -> None:
    """An error of an API server, or of a proxy in its stead: an error of ours, without what looks secret."""
    line, _, text = raw.partition(b"\n\n")
    status = int(line) if line.isdigit() and len(line) == 3 else 500
    error = failure(status, {"Retry-After": line.decode("latin-1")}, text, ACCESS, "Secret apim/token")
    assert isinstance(error, RotatorError)
    assert CANARY not in str(error)
    with contextlib.suppress(Unavailable):
        assert isinstance(parse(text, "it"), dict)


def cleaned(raw: bytes) -> None:
    """A token in the clear or as a Secret holds it, wherever it stands: nothing of it stays."""
    before, _, after = raw.decode("utf-8", "replace").partition("\0")
    encoded = b64encode(TOKEN.encode()).decode()
    shown = redact_quoted(f"{before}{TOKEN} {after}")
    assert CANARY not in shown
    assert redact_quoted(shown) == shown
    assert encoded not in redact_quoted(f"{before}{encoded}{after}")


_MARK = fingerprint(TOKEN)
_TOKEN = Token(_MARK, Key.PRIMARY, NOW - timedelta(days=1), ENDS, _MARK)
_RECORD = Record(
    Decision(3, _TOKEN, frozenset({Key.SECONDARY}), 2, NOW),
    NOW - timedelta(hours=3),
    NOW - timedelta(hours=2),
    Proven(Token("ba9876543210", None, NOW - timedelta(days=9), ENDS, None, True), NOW, frozenset({"u1"})),
    frozenset({"u2", "u3"}),
)
_WRITTEN = {name: said for name, said in encode_record(_RECORD).items() if said is not None}
_ASKED = {k: v for k, v in encode_request(Request(NOW, True, "ops")).items() if v}
_VALUE = f"GatewayKey {TOKEN}"
_APPLIED = {"data": {"value": b64encode(_VALUE.encode()).decode()}, "stringData": {"x": TOKEN}}
_LAST_APPLIED = {LAST_APPLIED: json.dumps(_APPLIED)}
_FOUGHT = {RESTORES: "5", LAST_RESTORED_AT: "2026-02-28T23:59:00.000000Z", CONDEMNED: "primary,secondary"}
_STATUS = {
    "kind": "Status",
    "reason": "Invalid",
    "message": f'Secret "token" is invalid: {TOKEN}',
    "code": 422,
    "details": {"causes": [{"reason": "DisruptionBudget", "message": "needs 2"}]},
}

CLUSTER = (
    Target("record", record, [body(_WRITTEN | _ASKED)]),
    Target(
        "secret",
        secret,
        [
            body({"annotations": _WRITTEN | _ASKED, "values": {"value": _VALUE}, "lease": _FOUGHT}),
            body({"annotations": _LAST_APPLIED, "values": {"value": TOKEN}}),
            body({"annotations": _WRITTEN, "values": {"config.service.auth.key": TOKEN, "other": "eA=="}}),
            body({"annotations": {}, "values": {"value": "GatewayKey <paste it here>"}}),
        ],
    ),
    Target("lease", lease, [body(_FOUGHT), body({RESTORES: "9999"})]),
    Target("answer", answer, [b"%d\n\n" % code + body(_STATUS) for code in (403, 409, 422, 429, 500)]),
    Target("cleaned", cleaned, [b'data: "\0"', b"GatewayKey \0 abc/def"]),
)

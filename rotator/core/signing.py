"""Which tokens the issuer is asked about: which key signs them today."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from rotator.core.observation import Observation
from rotator.core.records import Key


@dataclass(frozen=True, slots=True)
class SignerQuery:
    """Asks which key signs a token. hint: the key on record, which is tried first."""

    fingerprint: str
    expires_at: datetime
    hint: Key | None


def signer_queries(observation: Observation, now: datetime) -> list[SignerQuery]:
    """Return a query for every live token that a decision may rest on.

    A token that another writer put in place has no hint, even if a record knows it: its key may
    have been regenerated since.
    """
    found: dict[str, SignerQuery] = {}
    for t in observation.targets:
        known = [token for token in (t.token, t.previous_token) if token]
        found |= {k.fingerprint: SignerQuery(k.fingerprint, k.expires_at, k.key) for k in known}
    for t in observation.targets:
        if t.fingerprint and t.expires_at and (t.record is None or t.drifted):
            found[t.fingerprint] = SignerQuery(t.fingerprint, t.expires_at, None)
    return [query for query in found.values() if query.expires_at > now]

"""The last that was seen of each gateway: what the status pages of this process show."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from rotator.app.bootstrap import GatewayServices
from rotator.app.status import Json, iso, status_of
from rotator.core.observation import Observation
from rotator.diagnostics import exception_summary


class StatusCache:
    """due: when a gateway is looked at next, by its name."""

    def __init__(self, units: Mapping[str, GatewayServices], due: Callable[[str], datetime | None]) -> None:
        self._units = units
        self._due = due
        self._seen: dict[str, tuple[Observation, datetime]] = {}
        self._errors: dict[str, str] = {}

    def seen(self, name: str, seen: Observation, at: datetime) -> None:
        self._seen[name] = seen, at
        self._errors.pop(name, None)

    def failed(self, name: str, error: Exception) -> None:
        """Keep the sentence of an error of ours; of any other only its class: it may quote a Secret."""
        self._errors[name] = exception_summary(error)

    def show(self) -> Json:
        """Return all gateways in the order of the configuration; one not seen yet has no state."""
        return {"gateways": [self._gateway(u) for u in self._units.values()]}

    def _gateway(self, unit: GatewayServices) -> Json:
        name, policy = unit.gateway.name, unit.gateway.policy
        last = self._seen.get(name)
        state = status_of(name, last[0], policy, last[1]) if last else {"name": name, "state": "Unknown"}
        return state | {
            "seen_at": iso(last[1]) if last else None,
            "error": self._errors.get(name),
            "next_look_at": iso(self._due(name)),
        }

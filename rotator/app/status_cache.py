"""The last observation of each gateway, for /api/v1/gateways of this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from rotator.app.bootstrap import GatewayServices
from rotator.app.status import Json, iso, status_of
from rotator.core.observation import Observation
from rotator.diagnostics import exception_summary


class StatusCache:
    """due: returns when a gateway of a name is observed next."""

    def __init__(
        self, gateways: Mapping[str, GatewayServices], due: Callable[[str], datetime | None]
    ) -> None:
        self._gateways = gateways
        self._due = due
        self._observations: dict[str, tuple[Observation, datetime]] = {}
        self._errors: dict[str, str] = {}

    def observed(self, name: str, observation: Observation, at: datetime) -> None:
        self._observations[name] = observation, at
        self._errors.pop(name, None)

    def failed(self, name: str, error: Exception) -> None:
        """Keep the sentence of an error of ours; of any other only its class: it may quote a Secret."""
        self._errors[name] = exception_summary(error)

    def show(self) -> Json:
        """Return all gateways in the order of the configuration; Unknown is one not observed yet."""
        return {"gateways": [self._state(g) for g in self._gateways.values()]}

    def _state(self, gateway: GatewayServices) -> Json:
        name, policy = gateway.name, gateway.policy
        last = self._observations.get(name)
        state = status_of(name, last[0], policy, last[1]) if last else {"name": name, "state": "Unknown"}
        return state | {
            "seen_at": iso(last[1]) if last else None,
            "error": self._errors.get(name),
            "next_look_at": iso(self._due(name)),
        }

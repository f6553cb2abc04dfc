"""The table `[defaults]`: the policy of every gateway. Each key may also stand in a gateway's own table."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from rotator.config.schema.table import Table
from rotator.config.types.durations import Duration
from rotator.config.types.windows import Freeze, WindowTable
from rotator.core.policy import LONGEST_LIFE


def _grantable(lifetime: timedelta) -> timedelta:
    if lifetime >= LONGEST_LIFE:
        raise ValueError('must be shorter than 30 days, the longest that Azure grants. Write "29d"')
    return lifetime


class PolicyTable(Table):
    """The keys of a policy, in `[defaults]` and in each `[[gateways]]`. None: not written."""

    token_lifetime: Annotated[Duration, AfterValidator(_grantable)] | None = Field(
        default=None, examples=['"29d"']
    )
    renew_before: Duration | None = Field(default=None, examples=['"10d"'])
    panic_before: Duration | None = Field(default=None, examples=['"2d"'])
    rollout_timeout: Duration | None = Field(default=None, examples=['"15m"'])
    recheck: Duration | None = Field(default=None, examples=['"5m"'])
    look_every: Duration | None = Field(default=None, examples=['"5m"'])
    max_unavailable_targets: int | None = Field(default=None, ge=1, examples=["1"])
    max_restarts_per_hour: int | None = Field(default=None, ge=1, examples=["6"])
    roll_back: bool | None = Field(default=None, examples=["true"])
    replace_pods: bool | None = Field(default=None, examples=["true"])
    revoke: Literal["never", "before-reuse", "after-verify"] | None = Field(
        default=None, examples=['"never"']
    )
    revoke_after: Duration | None = Field(default=None, examples=['"1d"'])
    windows: tuple[WindowTable, ...] | None = Field(
        default=None,
        strict=False,
        examples=['[{ cron = "0 22 * * 1-5", duration = "4h", zone = "Europe/Oslo" }]'],
    )
    freeze: Freeze | None = Field(default=None, examples=["true"])

    def overlaid_with(self, own: PolicyTable) -> PolicyTable:
        """Return the keys of own, completed from this table."""
        merged = {name: getattr(self, name) for name in PolicyTable.model_fields}
        written = {name: value for name in merged if (value := getattr(own, name)) is not None}
        return PolicyTable.model_construct(**merged | written)

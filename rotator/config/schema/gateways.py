"""The tables `[defaults]`, `[[gateways]]` and `[[gateways.targets]]` as they stand in the file."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from rotator.config.schema.sections import Table
from rotator.config.types.durations import Duration
from rotator.config.types.names import GatewayName, Label, SecretKey, Subdomain, Workload
from rotator.config.types.resource_id import FORM, ResourceId
from rotator.config.types.windows import Freeze, WindowTable
from rotator.core.policy import LONGEST_LIFE


def _grantable(lifetime: timedelta) -> timedelta:
    if lifetime >= LONGEST_LIFE:
        raise ValueError('must be shorter than 30 days, the longest that Azure grants. Write "29d"')
    return lifetime


def _resource_id(written: object) -> object:
    return written if isinstance(written, ResourceId) else ResourceId.parse(str(written))


class PolicyTable(Table):
    """What may stand in `[defaults]` and in each `[[gateways]]`; None: not written."""

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


class TargetSettings(Table):
    """One Secret that holds the token. context None: in the cluster of `[kubernetes]`, else of the
    kubeconfig's context of this name. key None: found from the Secret's layout.
    workloads None: every workload of the namespace that reads the Secret.
    """

    context: str | None = Field(default=None, min_length=1, examples=['"cluster-west"'])
    namespace: Label = Field(examples=['"apim"'])
    secret: Subdomain = Field(examples=['"apim-access-token"'])
    key: SecretKey | None = Field(default=None, examples=['"config.service.auth.key"'])
    workloads: tuple[Workload, ...] | None = Field(
        default=None, min_length=1, strict=False, examples=['["deployment/apim-gateway"]']
    )

    @property
    def place(self) -> str:
        """Its name in everything that people read: `namespace/secret`, behind `context:` if it has one."""
        where = f"{self.namespace}/{self.secret}"
        return f"{self.context}:{where}" if self.context else where


class GatewayTable(PolicyTable):
    """One gateway, before its policy is worked out."""

    name: GatewayName = Field(examples=['"oslo"'])
    resource_id: Annotated[ResourceId, BeforeValidator(_resource_id)] = Field(examples=[f'"{FORM}"'])
    targets: tuple[TargetSettings, ...] = Field(
        min_length=1, strict=False, examples=["[[gateways.targets]] with a namespace and a secret"]
    )

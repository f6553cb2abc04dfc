"""The table `[[gateways.targets]]`: one Secret and its workloads."""

from __future__ import annotations

from pydantic import Field

from rotator.config.schema.table import Table
from rotator.config.types.names import Label, SecretKey, Subdomain, Workload


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
        """The target's name in messages: `namespace/secret`, after `context:` if it has one."""
        where = f"{self.namespace}/{self.secret}"
        return f"{self.context}:{where}" if self.context else where

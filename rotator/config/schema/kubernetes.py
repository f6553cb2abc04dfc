"""The table `[kubernetes]`: the home cluster, the kubeconfig and the Leases."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field

from rotator.config.schema.table import FilePath, Table
from rotator.config.types.durations import Duration
from rotator.config.types.names import Label


def _long_enough(duration: timedelta) -> timedelta:
    if duration < timedelta(seconds=3):
        raise ValueError('must be at least "3s": a lease needs time to be renewed. Write "30s"')
    return duration


class KubernetesSettings(Table):
    """Which cluster holds the Leases, and the Secrets of targets that name no context. Without a kubeconfig:
    the one that the process runs in, else kubectl's.
    """

    kubeconfig: FilePath | None = Field(default=None, examples=['"~/.kube/config"'])
    context: str | None = Field(default=None, min_length=1, examples=['"my-cluster"'])
    lease_namespace: Label | None = Field(default=None, examples=['"apim-token-rotator"'])
    lease_duration: Annotated[Duration, AfterValidator(_long_enough)] = Field(
        default=timedelta(seconds=30), examples=['"30s"']
    )

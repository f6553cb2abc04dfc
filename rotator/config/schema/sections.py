"""The tables of the configuration file that describe the process itself, not the gateways."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from rotator.config.types.durations import Duration, DurationOrZero
from rotator.config.types.names import Address, Guid, Label, Listen


class Table(BaseModel):
    """A table of the file. `examples` of a field is what an error message proposes, as TOML text."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _https(url: str) -> str:
    wrong = ValueError('must be a plain https address. Write "https://<host>", without user, query or #')
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise wrong from None
    if parts.scheme != "https" or not parts.hostname or port == 0 or any(c in url for c in "@?# "):
        raise wrong
    return url.rstrip("/")


def _long_enough(duration: timedelta) -> timedelta:
    if duration < timedelta(seconds=3):
        raise ValueError('must be at least "3s": a lease needs time to be renewed. Write "30s"')
    return duration


def _path(written: object) -> object:
    if written == "":
        raise ValueError("must not be empty. Write the path of a file, or leave the line out")
    return written


HttpsUrl = Annotated[str, AfterValidator(_https)]
FilePath = Annotated[Path, BeforeValidator(_path), Field(strict=False)]


class AzureSettings(Table):
    """How to reach Azure, and as whom. Secrets come from the environment only, never from the file."""

    cloud: Literal["public", "usgovernment", "china"] = Field(default="public", examples=['"public"'])
    endpoint: HttpsUrl | None = Field(default=None, examples=['"https://management.azure.com"'])
    ca_file: FilePath | None = Field(default=None, examples=['"/etc/rotator/ca.pem"'])
    credential: Literal["default", "workload-identity", "managed-identity", "client-secret", "azure-cli"] = (
        Field(default="default", examples=['"default"'])
    )
    tenant_id: Guid | None = Field(default=None, examples=['"00000000-0000-0000-0000-000000000000"'])
    client_id: Guid | None = Field(default=None, examples=['"00000000-0000-0000-0000-000000000000"'])


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


class InternalSettings(Table):
    """The port for probes, metrics and status; not for the Internet."""

    listen: Address = Field(default=Listen("0.0.0.0", 9090), examples=['"0.0.0.0:9090"'])


class LogSettings(Table):
    """auto: JSON in a pod, pretty on a terminal."""

    level: Literal["debug", "info", "warning", "error"] = Field(default="info", examples=['"info"'])
    format: Literal["auto", "json", "pretty"] = Field(default="auto", examples=['"auto"'])


class RotationSettings(Table):
    """How much at a time, in this process. schedule_jitter spreads scheduled renewals over this much time."""

    max_concurrent_rotations: int = Field(default=10, ge=1, examples=["10"])
    max_concurrent_rollouts: int = Field(default=50, ge=1, examples=["50"])
    schedule_jitter: DurationOrZero = Field(default=timedelta(minutes=30), examples=['"30m"'])

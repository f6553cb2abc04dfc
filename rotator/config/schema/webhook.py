"""The table `[webhook]`: the public port for Event Grid's deliveries."""

from __future__ import annotations

import re
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from rotator.config.schema.entra import EntraSettings
from rotator.config.schema.table import FilePath, Table
from rotator.config.types.durations import Duration
from rotator.config.types.names import Address, Listen

Network = IPv4Network | IPv6Network

_HEADER = re.compile(r"[a-z0-9][a-z0-9-]{0,127}")
_PARAMETER = re.compile(r"[A-Za-z0-9._~-]{0,64}")


def _within_delivery(duration: timedelta) -> timedelta:
    if duration >= timedelta(seconds=30):
        raise ValueError('must be shorter than "30s": Event Grid waits 30 s for an answer. Write "10s"')
    return duration


def _header(name: str) -> str:
    if not _HEADER.fullmatch(name.lower()) or name.lower().startswith("aeg-"):
        raise ValueError(
            'is not a name that a delivery property may have. Write letters, digits and "-", '
            'not beginning with "aeg-", such as "x-rotator-secret"'
        )
    return name.lower()


def _parameter(name: str) -> str:
    if not _PARAMETER.fullmatch(name):
        raise ValueError('is not a plain name of a query parameter. Write one such as "code", or "" for none')
    return name


def _network(written: object) -> object:
    if isinstance(written, IPv4Network | IPv6Network):
        return written
    try:
        return ip_network(str(written).strip(), strict=False)
    except ValueError:
        raise ValueError('is not an address range. Write it like "10.0.0.0/8" or "fd00::/8"') from None


class WebhookSettings(Table):
    """The public port, and how Event Grid authenticates there.

    secret_file: one secret per line; relative paths start at the configuration's folder. max_rate:
    deliveries a minute from one address. trusted_proxies: the proxies whose X-Forwarded-For counts.
    """

    enabled: bool = Field(default=True, examples=["true"])
    listen: Address = Field(default=Listen("0.0.0.0", 8080), examples=['"0.0.0.0:8080"'])
    allow_unauthenticated: bool = Field(default=False, examples=["true"])
    max_body_bytes: int = Field(default=1_572_864, ge=1, examples=["1_572_864"])
    body_timeout: Annotated[Duration, AfterValidator(_within_delivery)] = Field(
        default=timedelta(seconds=10), examples=['"10s"']
    )
    allowed_origins: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        default=("eventgrid.azure.net",), min_length=1, strict=False, examples=['["eventgrid.azure.net"]']
    )
    allowed_rate: int = Field(default=120, ge=1, examples=["120"])
    secret_file: FilePath | None = Field(default=None, examples=['"/etc/rotator/webhook/secrets"'])
    secret_header: Annotated[str, AfterValidator(_header)] = Field(
        default="x-rotator-secret", examples=['"x-rotator-secret"']
    )
    secret_query: Annotated[str, AfterValidator(_parameter)] = Field(default="code", examples=['"code"'])
    allowed_subscriptions: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        default=(), strict=False, examples=['["rotator"]']
    )
    max_rate: int = Field(default=600, ge=1, examples=["600"])
    trusted_proxies: tuple[Annotated[Network, BeforeValidator(_network)], ...] = Field(
        default=(), strict=False, examples=['["10.0.0.0/8"]']
    )
    entra: EntraSettings | None = None

    @property
    def authenticated(self) -> bool:
        """Whether deliveries have to authenticate, by a shared secret or by Entra ID."""
        return self.secret_file is not None or self.entra is not None

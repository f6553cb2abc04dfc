"""The table `[internal]`: the port for probes, metrics and status."""

from __future__ import annotations

from pydantic import Field

from rotator.config.schema.table import Table
from rotator.config.types.names import Address, Listen


class InternalSettings(Table):
    """The port for probes, metrics and status; not for the Internet."""

    listen: Address = Field(default=Listen("0.0.0.0", 9090), examples=['"0.0.0.0:9090"'])

"""The ARM id of a self-hosted gateway."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

FORM = (
    "/subscriptions/<subscription>/resourceGroups/<group>/providers/Microsoft.ApiManagement"
    "/service/<service>/gateways/<gateway>"
)
_ID = re.compile(
    r"/subscriptions/(?P<subscription>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"
    r"/resourceGroups/(?P<group>[\w.()-]{1,90})"
    r"/providers/Microsoft\.ApiManagement/service/(?P<service>[a-z](?:[a-z0-9-]{0,48}[a-z0-9])?)"
    r"/gateways/(?P<gateway>[^/*#&+:<>?%\s]{1,80})/?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class ResourceId:
    """The parts of the id as they were written. Azure compares ids without regard to case: compare `key`."""

    subscription: str
    group: str
    service: str
    gateway: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the parts of a gateway's full ARM id.

        Raises:
            ValueError: text is something else; shows the form.
        """
        if not (found := _ID.fullmatch(text.strip())):
            raise ValueError(f"is not the ARM id of a self-hosted gateway. Write {FORM}")
        return cls(**found.groupdict())

    @property
    def key(self) -> str:
        """The id in lower case: equal if and only if Azure means the same gateway."""
        return str(self).lower()

    def __str__(self) -> str:
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"
            f"/providers/Microsoft.ApiManagement/service/{self.service}/gateways/{self.gateway}"
        )

"""The ARM id of a self-hosted gateway."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

FORM = (
    "/subscriptions/<subscription>/resourceGroups/<group>/providers/Microsoft.ApiManagement"
    "/service/<service>/gateways/<gateway>"
)
_FORM = FORM.split("/")
_NEAR = re.compile(r"/subscriptions/", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Part:
    """may_be: what Azure allows there. wrong: the error for anything else."""

    may_be: re.Pattern[str]
    wrong: str


_PARTS = {
    "<subscription>": _Part(
        re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII),
        "the subscription is not a GUID",
    ),
    "<group>": _Part(re.compile(r"[\w.()-]{1,90}"), "the name after resourceGroups is not valid"),
    "<service>": _Part(
        re.compile(r"[a-z]([a-z0-9-]{0,48}[a-z0-9])?", re.IGNORECASE | re.ASCII),
        "the name after service is not valid",
    ),
    "<gateway>": _Part(re.compile(r"[^/*#&+:<>?%\s]{1,80}"), "the name after gateways is not valid"),
}


@dataclass(frozen=True, slots=True)
class ResourceId:
    """The parts of the id as written. Azure compares ids without regard to case: compare `key`."""

    subscription: str
    group: str
    service: str
    gateway: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the parts of a gateway's full ARM id.

        Raises:
            ValueError: text has another form; says the first error and shows the form.
        """
        bare = text.strip().removesuffix("/")
        parts = bare.split("/")
        if why := _wrong(parts):
            near = f": {why}" if _NEAR.match(bare) else ""
            raise ValueError(f"is not the ARM id of a self-hosted gateway{near}. Write {FORM}")
        return cls(*(part for part, wanted in zip(parts, _FORM, strict=True) if wanted in _PARTS))

    @property
    def key(self) -> str:
        """The id in lower case: equal if and only if Azure means the same gateway."""
        return str(self).lower()

    def __str__(self) -> str:
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"
            f"/providers/Microsoft.ApiManagement/service/{self.service}/gateways/{self.gateway}"
        )


def _wrong(parts: list[str]) -> str:
    """Return the first error; empty if there is none. Quotes nothing of the text."""
    for part, wanted in zip(parts, _FORM, strict=False):
        if wanted in _PARTS:
            if not _PARTS[wanted].may_be.fullmatch(part):
                return _PARTS[wanted].wrong
        elif part.lower() != wanted.lower():
            return f"{wanted or 'the first /'} is missing or misspelt"
    if len(parts) < len(_FORM):
        return f"it ends before {_FORM[len(parts)]}"
    return "it continues after the gateway's name" if len(parts) > len(_FORM) else ""

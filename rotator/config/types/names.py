"""Names as Kubernetes allows them, references to workloads, and addresses to listen on.

Errors never quote the text: people paste tokens into the wrong line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_SUBDOMAIN = re.compile(rf"{_LABEL.pattern}(\.{_LABEL.pattern})*")
_SECRET_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")
_LISTEN = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[^:\[\]\s]+):(?P<port>[0-9]{1,5})")
MAX_GATEWAY_NAME = 40

Kind = Literal["deployment", "statefulset", "daemonset"]
_KINDS: dict[str, Kind] = {
    "deployment": "deployment",
    "deploy": "deployment",
    "statefulset": "statefulset",
    "sts": "statefulset",
    "daemonset": "daemonset",
    "ds": "daemonset",
}


def check_guid(text: str) -> str:
    """Return text in lower case if it is a GUID, or raise ValueError."""
    if not _GUID.fullmatch(text.strip()):
        raise ValueError('is not a GUID. Write it like "00000000-0000-0000-0000-000000000000"')
    return text.strip().lower()


def check_label(text: str, longest: int = 63) -> str:
    """Return text if it is a DNS-1123 label (RFC 1123, as Kubernetes uses it), or raise ValueError."""
    if not _LABEL.fullmatch(text) or len(text) > longest:
        raise ValueError(
            f"is not a valid name. Write at most {longest} lower-case letters, digits and '-', "
            "with a letter or digit at both ends"
        )
    return text


def check_subdomain(text: str) -> str:
    """Return text if it is a DNS-1123 subdomain, or raise ValueError."""
    if not _SUBDOMAIN.fullmatch(text) or len(text) > 253:
        raise ValueError(
            "is not a name of a Kubernetes object. Write its name: lower-case letters, digits, '-' and '.', "
            "with a letter or digit at both ends"
        )
    return text


def check_secret_key(text: str) -> str:
    """Return text if a Secret's data may have such a key, or raise ValueError."""
    if not _SECRET_KEY.fullmatch(text):
        raise ValueError(
            "is not a key of a Secret. Write the key under the Secret's data, "
            'such as "config.service.auth.key", or leave the line out'
        )
    return text


@dataclass(frozen=True, slots=True)
class WorkloadRef:
    """A workload in the target's namespace."""

    kind: Kind
    name: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the workload that `kind/name` means; kinds have kubectl's short forms.

        Raises:
            ValueError: text has another form; says what to write.
        """
        short, _, name = text.partition("/")
        kind = _KINDS.get(short.strip().lower())
        if kind is None or not _SUBDOMAIN.fullmatch(name) or len(name) > 253:
            raise ValueError(
                'is not a workload. Write "deployment/<name>", "statefulset/<name>" or "daemonset/<name>"'
            )
        return cls(kind, name)

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


@dataclass(frozen=True, slots=True)
class Listen:
    """Where to listen. Port 0: the system chooses one."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the address in `host:port`; an IPv6 host stands in brackets.

        Raises:
            ValueError: text has another form; says what to write.
        """
        found = _LISTEN.fullmatch(text.strip())
        if not found or int(found["port"]) > 65535:
            raise ValueError('is not an address to listen on. Write "<host>:<port>", such as "0.0.0.0:8080"')
        return cls(found["host"].strip("[]"), int(found["port"]))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _workload(written: object) -> object:
    return written if isinstance(written, WorkloadRef) else WorkloadRef.parse(str(written))


def _listen(written: object) -> object:
    return written if isinstance(written, Listen) else Listen.parse(str(written))


Guid = Annotated[str, AfterValidator(check_guid)]
"""A GUID in lower case."""
GatewayName = Annotated[str, AfterValidator(lambda text: check_label(text, MAX_GATEWAY_NAME))]
Label = Annotated[str, AfterValidator(check_label)]
Subdomain = Annotated[str, AfterValidator(check_subdomain)]
SecretKey = Annotated[str, AfterValidator(check_secret_key)]
Workload = Annotated[WorkloadRef, BeforeValidator(_workload)]
Address = Annotated[Listen, BeforeValidator(_listen)]

"""Configuration files for tests: tables of TOML, joined with +."""

from __future__ import annotations

import json
from pathlib import Path

SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"


def table(header: str, more: str = "", **values: str | bool | Path | list[str]) -> str:
    """Return a table under its header, brackets included. more: further lines."""
    lines = [f"{key} = {_toml(value)}\n" for key, value in values.items()]
    return f"{header}\n{''.join(lines)}{more}\n"


def _toml(value: str | bool | Path | list[str]) -> str:
    """JSON writes strings, booleans and lists as TOML does."""
    return json.dumps(str(value) if isinstance(value, Path) else value, ensure_ascii=False)


def resource(gateway: str, service: str = "contoso") -> str:
    return (
        f"/subscriptions/{SUBSCRIPTION}/resourceGroups/gateways/providers/Microsoft.ApiManagement"
        f"/service/{service}/gateways/{gateway}"
    )


def target(namespace: str = "apim", more: str = "", **values: str | list[str]) -> str:
    values = {"secret": "apim-token"} | values
    return table("[[gateways.targets]]", more, namespace=namespace, **values)


def gateway(
    name: str = "oslo", more: str = "", targets: str | None = None, resource_id: str | None = None
) -> str:
    head = table("[[gateways]]", more, name=name, resource_id=resource_id or resource(name))
    return head + (target(name) if targets is None else targets)


def process(azure: str, kubernetes: str, webhook: str, rotation: str = "", defaults: str = "") -> str:
    """Return what a process under test needs beside its gateways: each argument is a table, or lines of one."""
    return (
        azure
        + kubernetes
        + webhook
        + table("[internal]", listen="127.0.0.1:0")
        + rotation
        + table("[log]", format="json", level="debug")
        + table("[defaults]", defaults, renew_before="5d")
    )


NO_WEBHOOK = table("[webhook]", enabled=False)
SMALLEST = NO_WEBHOOK + gateway()

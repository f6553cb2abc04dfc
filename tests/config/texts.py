"""The smallest configuration, and variations of it."""

from __future__ import annotations

SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"


def resource(gateway: str, service: str = "contoso") -> str:
    return (
        f"/subscriptions/{SUBSCRIPTION}/resourceGroups/gateways/providers/Microsoft.ApiManagement"
        f"/service/{service}/gateways/{gateway}"
    )


def target(namespace: str = "apim", more: str = "") -> str:
    return f'[[gateways.targets]]\nnamespace = "{namespace}"\nsecret = "apim-token"\n{more}\n'


def gateway(name: str = "oslo", more: str = "", targets: str | None = None) -> str:
    head = f'[[gateways]]\nname = "{name}"\nresource_id = "{resource(name)}"\n{more}\n'
    return head + (target(name) if targets is None else targets)


NO_WEBHOOK = "[webhook]\nenabled = false\n"
SMALLEST = NO_WEBHOOK + gateway()

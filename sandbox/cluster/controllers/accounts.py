"""Creates the ServiceAccount "default" in every namespace."""

from __future__ import annotations

from sandbox.cluster.controllers.common import Tools
from sandbox.cluster.objects import is_terminating, name_of
from sandbox.cluster.resources import BY_PLURAL
from sandbox.common import Json

NAME = "default"


def ensure_account(tools: Tools, namespace: Json) -> None:
    """Create the account unless it exists."""
    name = name_of(namespace)
    if not is_terminating(namespace) and tools.store.get(("serviceaccounts", name, NAME)) is None:
        tools.registry.create(BY_PLURAL["serviceaccounts"], name, {"metadata": {"name": NAME}})

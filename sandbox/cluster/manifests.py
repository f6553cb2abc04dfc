"""YAML of several documents with `<placeholders>`, as in documentation."""

from __future__ import annotations

import re

import yaml

from sandbox.common import Json

_PLACEHOLDER = re.compile(r"<[a-z][a-z0-9]*(-[a-z0-9]+)*>")


def parse(text: str, placeholders: dict[str, str]) -> list[Json]:
    """Return the documents of `text`; the value of `gateway_name` replaces `<gateway-name>`.

    Raises:
        ValueError: a placeholder has no value.
    """
    for name, value in placeholders.items():
        text = text.replace(f"<{name.replace('_', '-')}>", value)
    if left := _PLACEHOLDER.search(text):
        raise ValueError(f"the placeholder {left[0]} has no value")
    return [document for document in yaml.safe_load_all(text) if document]

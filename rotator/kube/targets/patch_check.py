"""Whether the server applied a patch: admission may change it again, and the server still answers 200."""

from __future__ import annotations

from collections.abc import Iterator

from rotator.errors import Refused
from rotator.kube.client.responses import Json
from rotator.kube.targets.annotations import PREFIX

_SET_BY_SERVER = frozenset({"resourceVersion"})


def check_applied(patch: Json, answer: Json, what: str) -> None:
    """Return if everything in a merge patch is in the object that the server answered it with.

    The rotator would write a field that does not stay again and again, and would lose a request.

    Raises:
        Refused: a field is missing or changed; names it, without its value.
    """
    if dropped := sorted(_dropped(patch, answer)):
        raise Refused(
            f"{what}: the API server accepted the patch but dropped part of it ({', '.join(dropped)})",
            f"An admission webhook or policy changes it: exempt the annotations that begin with {PREFIX}.",
        )


def _dropped(patch: Json, answer: Json) -> Iterator[str]:
    for name, sent in patch.items():
        found = answer.get(name)
        if isinstance(sent, dict):
            yield from _dropped(sent, found if isinstance(found, dict) else {})
        elif found != sent and name not in _SET_BY_SERVER:
            yield name

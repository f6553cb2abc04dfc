"""Whether the server kept what it was sent: admission may take it away again, and still answer 200."""

from __future__ import annotations

from collections.abc import Iterator

from rotator.errors import Refused
from rotator.kube.client.responses import Json
from rotator.kube.targets.annotations import PREFIX

_OTHERS = frozenset({"resourceVersion"})


def check_kept(sent: Json, kept: Json, what: str) -> None:
    """Return if everything in a merge patch is in the object that the server answered it with.

    What does not stay would be written again at once, and again; a request would be lost.

    Raises:
        Refused: something is gone; names it, without its value.
    """
    if gone := sorted(_gone(sent, kept)):
        raise Refused(
            f"{what}: the cluster took away what was written ({', '.join(gone)})",
            f"An admission webhook or policy changes it: have it leave alone what begins with {PREFIX}.",
        )


def _gone(sent: Json, kept: Json) -> Iterator[str]:
    for name, said in sent.items():
        found = kept.get(name)
        if isinstance(said, dict):
            yield from _gone(said, found if isinstance(found, dict) else {})
        elif found != said and name not in _OTHERS:
            yield name

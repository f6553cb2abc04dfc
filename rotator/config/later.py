"""What a later version wires up: recognised and refused by name, never silently ignored."""

from __future__ import annotations

from rotator.config.errors import Json, Mistake, Path

_PROBE = "probing pods comes in a later version. Take this line out"
_CONTEXTS = (
    "is not how several clusters are written. Name their kubeconfig under [kubernetes], and write context "
    "in each target"
)

LATER: dict[str, str] = {
    "probe": _PROBE,
    "clusters": _CONTEXTS,
    "kubernetes.clusters": _CONTEXTS,
    "defaults.probe": _PROBE,
    "gateways.probe": _PROBE,
    "gateways.targets.cluster": _CONTEXTS,
    "gateways.targets.probe": _PROBE,
}
"""A path without list positions, and why it is refused."""


def take_out(raw: Json) -> tuple[Json, list[Mistake]]:
    """Return raw without what cannot be done, and a mistake for each line taken out."""
    mistakes: list[Mistake] = []
    return _table(raw, (), mistakes), mistakes


def _table(table: Json, path: Path, mistakes: list[Mistake]) -> Json:
    kept: Json = {}
    for key, value in table.items():
        here = (*path, key)
        pattern = ".".join(part for part in here if isinstance(part, str))
        if sentence := LATER.get(pattern):
            mistakes.append(Mistake(here, sentence))
        else:
            kept[key] = _value(value, here, mistakes)
    return kept


def _value(value: object, path: Path, mistakes: list[Mistake]) -> object:
    if isinstance(value, dict):
        return _table(value, path, mistakes)
    if isinstance(value, list):
        return [_value(item, (*path, n), mistakes) for n, item in enumerate(value)]
    return value

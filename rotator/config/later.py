"""What a later version wires up: recognised and refused by name, never silently ignored."""

from __future__ import annotations

from rotator.config.mistakes import Json, Mistake, Path

_WINDOWS = "maintenance windows and freezes come in a later version. Take this line out"
_REVOKE = "revoking keys comes in a later version. Take this line out"
_ROLL_BACK = "rolling back a failed rollout comes in a later version. Take this line out"
_CLUSTERS = (
    "several clusters come in a later version. Run one rotator in each cluster, and take this line out"
)
_WEBHOOK = (
    "authentication of deliveries comes in a later version. Let a gateway or ingress authenticate them, "
    "and take this line out"
)
_PULL = "pulling events comes in a later version. Use a webhook subscription, and take this line out"
_PROBE = "probing pods comes in a later version. Take this line out"
_EVICT = "replacing single pods comes in a later version. Take this line out"

LATER: dict[str, str] = {
    "revoke_after": _REVOKE,
    "windows": _WINDOWS,
    "freeze": _WINDOWS,
    "roll_back": _ROLL_BACK,
    "on_failure": _ROLL_BACK,
    "replace_pods": _EVICT,
    "probe": _PROBE,
    "pull": _PULL,
    "clusters": _CLUSTERS,
    "kubernetes.clusters": _CLUSTERS,
    "azure.pull": _PULL,
    "webhook.entra": _WEBHOOK,
    "webhook.secret": _WEBHOOK,
    "webhook.secret_file": _WEBHOOK,
    "gateways.pull": _PULL,
    "gateways.targets.context": _CLUSTERS,
    "gateways.targets.cluster": _CLUSTERS,
    "gateways.targets.probe": _PROBE,
    **{
        f"{table}.{key}": sentence
        for table in ("defaults", "gateways")
        for key, sentence in {
            "revoke_after": _REVOKE,
            "windows": _WINDOWS,
            "freeze": _WINDOWS,
            "roll_back": _ROLL_BACK,
            "on_failure": _ROLL_BACK,
            "replace_pods": _EVICT,
            "probe": _PROBE,
        }.items()
    },
}
"""A path without list positions, and why it is refused."""

NOT_YET_REVOKE = 'revoking keys comes in a later version. Write revoke = "never"'
_OTHER_REVOKES = ("before-reuse", "after-verify")


def take_out(raw: Json) -> tuple[Json, list[Mistake]]:
    """Return raw without what this version cannot do yet, and a mistake for each line taken out."""
    mistakes: list[Mistake] = []
    return _table(raw, (), mistakes), mistakes


def _table(table: Json, path: Path, mistakes: list[Mistake]) -> Json:
    kept: Json = {}
    for key, value in table.items():
        here = (*path, key)
        pattern = ".".join(part for part in here if isinstance(part, str))
        if sentence := LATER.get(pattern):
            mistakes.append(Mistake(here, sentence))
        elif pattern in ("defaults.revoke", "gateways.revoke") and value in _OTHER_REVOKES:
            mistakes.append(Mistake(here, NOT_YET_REVOKE))
        else:
            kept[key] = _value(value, here, mistakes)
    return kept


def _value(value: object, path: Path, mistakes: list[Mistake]) -> object:
    if isinstance(value, dict):
        return _table(value, path, mistakes)
    if isinstance(value, list):
        return [_value(item, (*path, n), mistakes) for n, item in enumerate(value)]
    return value

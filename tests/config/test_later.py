"""What cannot be done, or is written otherwise, is refused by name instead of being ignored."""

from __future__ import annotations

import pytest

from rotator.config.later import LATER
from tests.config.conftest import Mistakes
from tests.configuration import NO_WEBHOOK, gateway, target


@pytest.mark.parametrize("pattern", LATER)
def test_what_cannot_be_done_is_refused_by_name_with_a_remedy(mistakes: Mistakes, pattern: str) -> None:
    *tables, key = pattern.split(".")
    line = f'{key} = "x"\n'
    where = ".".join(tables)
    texts = {
        "": line + NO_WEBHOOK + gateway(),
        "gateways": NO_WEBHOOK + gateway(more=line),
        "gateways.targets": NO_WEBHOOK + gateway(targets=target(more=line)),
    }

    (found,) = mistakes(texts.get(where, f"[{where}]\n{line}{NO_WEBHOOK}{gateway()}"))

    path = where.replace("gateways", "gateways[0]").replace("targets", "targets[0]")
    assert found.startswith(f"{path}.{key}: ".removeprefix("."))
    assert "Take this line out" in found or "write context in each target" in found


def test_whole_tables_are_refused_too(mistakes: Mistakes) -> None:
    found = mistakes("[probe]\npath = 1\n[[clusters]]\nname = 1\n" + NO_WEBHOOK + gateway())

    assert [line.split(":")[0] for line in found] == ["probe", "clusters"]


def test_several_clusters_are_written_as_contexts(mistakes: Mistakes) -> None:
    (found,) = mistakes(NO_WEBHOOK + gateway(targets=target(more='cluster = "west"')))

    assert found.startswith("gateways[0].targets[0].cluster: is not how several clusters are written")
    assert "Name their kubeconfig under [kubernetes]" in found

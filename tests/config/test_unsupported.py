"""What cannot be done, or is written otherwise, is refused by name instead of being ignored."""

from __future__ import annotations

import pytest

from rotator.config.error_messages import UNSUPPORTED
from tests.config.conftest import Errors
from tests.configuration import NO_WEBHOOK, gateway, target


@pytest.mark.parametrize("pattern", UNSUPPORTED)
def test_what_cannot_be_done_is_refused_by_name_with_a_remedy(errors: Errors, pattern: str) -> None:
    *tables, key = pattern.split(".")
    line = f'{key} = "x"\n'
    where = ".".join(tables)
    texts = {
        "": line + NO_WEBHOOK + gateway(),
        "gateways": NO_WEBHOOK + gateway(more=line),
        "gateways.targets": NO_WEBHOOK + gateway(targets=target(more=line)),
    }

    (found,) = errors(texts.get(where, f"[{where}]\n{line}{NO_WEBHOOK}{gateway()}"))

    path = where.replace("gateways", "gateways[0]").replace("targets", "targets[0]")
    assert found.startswith(f"{path}.{key}: ".removeprefix("."))
    assert "Take this line out" in found or "write context in each target" in found


def test_whole_tables_are_refused_too(errors: Errors) -> None:
    found = errors("[probe]\npath = 1\n[[clusters]]\nname = 1\n" + NO_WEBHOOK + gateway())

    assert [line.split(":")[0] for line in found] == ["probe", "clusters"]


def test_several_clusters_are_written_as_contexts(errors: Errors) -> None:
    (found,) = errors(NO_WEBHOOK + gateway(targets=target(more='cluster = "west"')))

    assert found.startswith("gateways[0].targets[0].cluster: is not how several clusters are written")
    assert "Name their kubeconfig under [kubernetes]" in found

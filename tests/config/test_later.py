from __future__ import annotations

import pytest

from rotator.config.later import LATER
from tests.config.conftest import Mistakes
from tests.config.texts import NO_WEBHOOK, gateway, target


@pytest.mark.parametrize("pattern", LATER)
def test_what_a_later_version_brings_is_refused_by_name(mistakes: Mistakes, pattern: str) -> None:
    *tables, key = pattern.split(".")
    line = f'{key} = "x"\n'
    where = ".".join(tables)
    texts = {
        "": line + NO_WEBHOOK + gateway(),
        "webhook": NO_WEBHOOK + line + gateway(),
        "gateways": NO_WEBHOOK + gateway(more=line),
        "gateways.targets": NO_WEBHOOK + gateway(targets=target(more=line)),
    }

    (found,) = mistakes(texts.get(where, f"[{where}]\n{line}{NO_WEBHOOK}{gateway()}"))

    path = where.replace("gateways", "gateways[0]").replace("targets", "targets[0]")
    assert found.startswith(f"{path}.{key}: ".removeprefix("."))
    assert "later version" in found


@pytest.mark.parametrize("table", ["[defaults]", "gateways"])
@pytest.mark.parametrize("word", ["before-reuse", "after-verify"])
def test_revocation_is_refused(mistakes: Mistakes, table: str, word: str) -> None:
    line = f'revoke = "{word}"\n'
    own, head = (line, "") if table == "gateways" else ("", f"{table}\n{line}")

    (found,) = mistakes(head + NO_WEBHOOK + gateway(more=own))

    assert 'revoke: revoking keys comes in a later version. Write revoke = "never"' in found


def test_whole_tables_are_refused_too(mistakes: Mistakes) -> None:
    found = mistakes("[webhook.entra]\ntenant = 1\n[[freeze]]\nfrom = 1\n" + NO_WEBHOOK + gateway())

    assert [line.split(":")[0] for line in found] == ["webhook.entra", "freeze"]

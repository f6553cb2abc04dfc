"""The values that the documentation shows are values of the chart, and the configuration in them is read."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.helm import CHART, ROOT, Helm, the
from tests.chart.test_config import settings

pytestmark = pytest.mark.chart

PAGES = (ROOT / "README.md", CHART / "README.md", *sorted((ROOT / "docs").glob("*.md")))
GUID = "00000000-0000-0000-0000-000000000001"
PLACEHOLDERS = {
    r"<ARM id of the gateway[^>]*>": f"/subscriptions/{GUID}/resourceGroups/g/providers"
    "/Microsoft.ApiManagement/service/contoso/gateways/oslo",
    r"<tenant>|<[^>]*client id[^>]*>|<az identity show [^>]*>": GUID,
    r"<addresses of the ingress>": "10.0.0.0/8",
    r"<[a-z]+>": "x",
}


def shown() -> list[Any]:
    """Every block of values; Roles and alerts have tests of their own."""
    found = []
    for page in PAGES:
        for block in re.findall(r"^ *```yaml\n(.*?)^ *```", page.read_text(), re.MULTILINE | re.DOTALL):
            text = textwrap.dedent(block)
            for placeholder, value in PLACEHOLDERS.items():
                text = re.sub(placeholder, value, text)
            values = yaml.safe_load(text)
            if isinstance(values, dict) and "groups" not in values:
                found.append(pytest.param(values, id=f"{page.parent.name}/{page.name}: {', '.join(values)}"))
    return found


def merged(values: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """Return values as Helm merges a further file of them: tables within tables, lists as a whole."""
    deep = {k: merged(values.get(k) or {}, v) for k, v in more.items() if isinstance(v, dict)}
    return values | more | deep


@pytest.mark.parametrize("values", shown())
def test_values_that_are_shown_are_taken(
    helm: Helm, least: dict[str, Any], values: dict[str, Any], tmp_path: Path
) -> None:
    assert settings(helm, merged(least, values), tmp_path).gateways


def test_what_the_readme_shows_is_enough(helm: Helm, tmp_path: Path) -> None:
    (values,) = [p.values[0] for p in shown() if p.id.endswith("/README.md: image, workloadIdentity, config")]
    assert [g.name for g in settings(helm, values, tmp_path).gateways] == ["oslo"]
    manifests = helm.render(values, "apim-token-rotator")
    for kind in ("Deployment", "ServiceAccount", "ConfigMap"):
        assert the(manifests, kind, "apim-token-rotator")
    assert the(manifests, "Service", "apim-token-rotator-internal")["spec"]["ports"][0]["port"] == 9090


def test_the_readmes_image_has_the_tag_that_the_chart_asks_for() -> None:
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
    assert re.findall(r"-t apim-token-rotator:(\S+)", PAGES[0].read_text()) == [version]


def test_all_pages_name_the_release_alike() -> None:
    """Else the federated credential, the commands and the Deployment would not fit together."""
    text = "".join(page.read_text() for page in PAGES)
    assert set(re.findall(r"helm (?:install|upgrade|test|template|uninstall) (\S+)", text)) == {
        "apim-token-rotator"
    }
    assert set(re.findall(r"(?:deploy|deployment)/(\S*token-rotator\S*) ", text)) == {"apim-token-rotator"}
    assert set(re.findall(r"system:serviceaccount:([a-z-]+:[a-z-]+)", text)) == {
        "token-rotator:apim-token-rotator"
    }

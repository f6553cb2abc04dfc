from importlib import resources
from pathlib import Path

import pytest

from tests.sandbox.cluster.conftest import done, pods_of

SHIPPED = resources.files("sandbox") / "manifests"
DATA = Path(__file__).parent / "data"
NAMES = {
    "namespace_name": "apim",
    "gateway_name": "oslo",
    "service_name": "contoso",
    "configuration_token": "GatewayKey not-a-real-token",
}
ENTRA = {
    "entra_id_tenant_id": "tenant",
    "entra_id_app_id": "app",
    "entra_id_client_secret": "not-a-real-secret",
    "gateway_id": "oslo",
}


@pytest.mark.parametrize(
    ("layout", "workload", "variable"),
    [
        ("how-to", "apim-gateway", "config.service.auth.key"),
        ("portal", "oslo", "config.service.auth"),
        ("helm", "oslo-azure-api-management-gateway", "config.service.auth"),
    ],
)
async def test_a_layout_hands_the_token_to_its_pods(cluster, program, layout, workload, variable):
    cluster.load((SHIPPED / f"{layout}.yaml").read_text(), **NAMES)

    await cluster.wait_for(done_in_apim(workload))

    (env,) = program.running.values()
    assert env[variable] == "GatewayKey not-a-real-token"
    assert env["gateway.name"] == "oslo"


def done_in_apim(workload):
    def look(cluster):
        status = cluster.get("Deployment", "apim", workload).get("status", {})
        return status.get("availableReplicas") == 1

    return look


async def test_the_vendors_entra_manifest_runs(cluster, program):
    cluster.load((DATA / "entra-secret.yaml").read_text(), service_name="contoso", **ENTRA)

    await cluster.wait_for(
        lambda cluster: cluster.get("Deployment", "default", "mygw")["status"].get("readyReplicas") == 1
    )

    (env,) = program.running.values()
    assert env["config.service.auth"] == "azureAdApp"
    assert env["config.service.auth.azureAd.clientSecret"] == "not-a-real-secret"


async def test_the_vendors_workload_identity_manifest_runs(cluster, program):
    names = {"namespace_name": "apim", "gateway_name": "oslo", "service_name": "contoso", "client_id": "app"}

    cluster.load((DATA / "workload-identity.yaml").read_text(), **names)

    await cluster.wait_for(done_in_apim("apim-gateway"))
    (env,) = program.running.values()
    assert env["config.service.auth"] == "workloadIdentity"
    (pod,) = cluster.list("Pod", "apim")
    assert pod["spec"]["serviceAccountName"] == "apim-gateway-workload-identity"


async def test_a_placeholder_without_a_value_is_a_mistake(cluster):
    with pytest.raises(ValueError, match="<configuration-token>"):
        cluster.load(
            (SHIPPED / "how-to.yaml").read_text(), namespace_name="a", service_name="b", gateway_name="c"
        )


async def test_loading_twice_changes_nothing(cluster):
    text = (SHIPPED / "how-to.yaml").read_text()
    cluster.load(text, **NAMES)
    await cluster.wait_for(done_in_apim("apim-gateway"))
    before = pods_of(cluster, "apim-gateway", "apim")

    again = cluster.load(text, **NAMES)

    assert [obj["metadata"].get("generation", 1) for obj in again] == [1, 1, 1, 1]
    assert pods_of(cluster, "apim-gateway", "apim") == before
    assert done("Deployment", "apim-gateway", "apim")(cluster)

import pytest

from tests.sandbox.cluster.conftest import deployment, done, secret

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"


def names(answer):
    return [item["metadata"]["name"] for item in answer.body["items"]]


@pytest.fixture
def fleet(cluster):
    for name, labels in {"a": {"x": "1"}, "b": {"x": "2", "y": ""}, "c": {}}.items():
        cluster.apply({"kind": "ConfigMap", "metadata": {"name": name, "labels": labels}})
    return cluster


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("x=1", ["a"]),
        ("x==2,y", ["b"]),
        ("x!=1", ["b", "c"]),
        ("x in (1, 2)", ["a", "b"]),
        ("x notin (1),x", ["b"]),
        ("!x", ["c"]),
        ("y=", ["b"]),
    ],
)
async def test_label_selectors_select(api, fleet, selector, expected):
    assert names(await api("GET", CONFIGMAPS, labelSelector=selector)) == expected


async def test_field_selectors_select(api, fleet):
    assert names(await api("GET", CONFIGMAPS, fieldSelector="metadata.name=b")) == ["b"]
    assert names(await api("GET", CONFIGMAPS, fieldSelector="metadata.name!=b")) == ["a", "c"]
    assert (await api("GET", CONFIGMAPS, fieldSelector="data.x=1")).status == 400
    assert (await api("GET", CONFIGMAPS, labelSelector="x in 1")).status == 400


async def test_all_namespaces_are_listed_together(api, fleet):
    fleet.apply({"kind": "ConfigMap", "metadata": {"name": "z", "namespace": "other"}})

    listed = await api("GET", "/api/v1/configmaps")

    assert listed.body["kind"] == "ConfigMapList"
    assert [item["metadata"]["namespace"] for item in listed.body["items"]] == ["default"] * 3 + ["other"]
    assert listed.body["metadata"]["resourceVersion"].isdigit()


async def test_a_long_list_is_split_into_pages(api, fleet):
    first = await api("GET", CONFIGMAPS, limit="2")
    second = await api("GET", CONFIGMAPS, **{"limit": "2", "continue": first.body["metadata"]["continue"]})

    assert (names(first), names(second)) == (["a", "b"], ["c"])
    assert first.body["metadata"]["remainingItemCount"] == 1
    assert "continue" not in second.body["metadata"]


async def test_a_collection_can_be_deleted_by_selector(api, fleet):
    await api("DELETE", CONFIGMAPS, labelSelector="x")

    assert names(await api("GET", CONFIGMAPS)) == ["c"]


async def test_metadata_alone_can_be_asked_for(api, cluster):
    cluster.apply(secret(k="v"))
    accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

    response = await api.send("GET", "/api/v1/secrets", accept=accept)
    body = await response.json()

    assert body["kind"] == "PartialObjectMetadataList"
    assert "data" not in body["items"][0]


async def test_a_table_shows_a_workloads_progress(api, cluster):
    cluster.apply(deployment(replicas=2))
    await cluster.wait_for(done("Deployment", "web"))

    accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
    response = await api.send("GET", "/apis/apps/v1/deployments", accept=accept)
    body = await response.json()

    assert body["kind"] == "Table"
    assert [column["name"] for column in body["columnDefinitions"]] == [
        "Name",
        "Ready",
        "Up-to-date",
        "Available",
        "Age",
    ]
    assert body["rows"][0]["cells"][:4] == ["web", "2/2", 2, 2]
    assert body["rows"][0]["object"]["kind"] == "PartialObjectMetadata"

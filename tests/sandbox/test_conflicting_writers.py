"""Tools that restore objects, as GitOps tools and Helm do."""

from __future__ import annotations

import pytest

from sandbox.conflicting_writers import ConflictingWriterError
from sandbox.fleet import deploy


@pytest.fixture
async def place(sandbox, in_29_days):
    return await deploy(sandbox, "how-to", "oslo", namespace="apim", expires_at=in_29_days)


def secret(sandbox, place):
    return sandbox.cluster.get("Secret", "apim", place.secret)


def write(sandbox, place, text):
    body = {"data": {place.key: text}, "metadata": {"annotations": {"ours": "1"}}}
    return sandbox.cluster.patch("Secret", "apim", place.secret, body, manager="rotator")


def owner(obj, key):
    entries = obj["metadata"]["managedFields"]
    return [entry["manager"] for entry in entries if f"f:{key}" in entry["fieldsV1"].get("f:data", {})]


async def test_a_value_is_restored_again_and_again_under_the_tools_name(sandbox, place):
    before = secret(sandbox, place)["data"]
    writer = sandbox.conflicting_writers.start("Secret", "apim", place.secret, delay=0.01)
    for number in (1, 2):
        write(sandbox, place, "Y" * 4 * number)
        assert owner(secret(sandbox, place), place.key) == ["rotator"]
        await sandbox.cluster.wait_for(lambda _, n=number: writer.restored == n)
        after = secret(sandbox, place)
        assert after["data"] == before
        assert owner(after, place.key) == ["argocd-controller"]
        assert after["metadata"]["annotations"]["ours"] == "1"


async def test_a_tool_stops_after_so_many_restores(sandbox, place):
    writer = sandbox.conflicting_writers.start("Secret", "apim", place.secret, delay=0, times=1)
    write(sandbox, place, "YYYY")
    await sandbox.cluster.wait_for(lambda _: writer.restored == 1)
    write(sandbox, place, "ZZZZ")
    with pytest.raises(TimeoutError):
        await sandbox.cluster.wait_for(lambda _: writer.restored == 2, timeout=0.1)


async def test_a_tool_can_be_stopped(sandbox, place):
    writer = sandbox.conflicting_writers.start("Secret", "apim", place.secret, delay=0)
    await sandbox.conflicting_writers.stop(writer)
    write(sandbox, place, "YYYY")
    with pytest.raises(TimeoutError):
        await sandbox.cluster.wait_for(lambda _: writer.restored > 0, timeout=0.1)


@pytest.mark.parametrize(("what", "same"), [("whole", True), ("recreate", False)])
async def test_a_replaced_or_recreated_secret_loses_other_annotations(sandbox, place, what, same):
    before = secret(sandbox, place)
    writer = sandbox.conflicting_writers.start(
        "Secret", "apim", place.secret, what=what, delay=0.01, manager="helm"
    )
    write(sandbox, place, "YYYY")
    await sandbox.cluster.wait_for(lambda _: writer.restored == 1)
    after = secret(sandbox, place)
    assert after["data"] == before["data"]
    assert "ours" not in after["metadata"].get("annotations", {})
    assert (after["metadata"]["uid"] == before["metadata"]["uid"]) is same


async def test_a_template_is_restored(sandbox, place):
    def marks():
        deployment = sandbox.cluster.get("Deployment", "apim", "apim-gateway")
        return deployment["spec"]["template"]["metadata"].get("annotations")

    before = marks()
    writer = sandbox.conflicting_writers.start(
        "Deployment", "apim", "apim-gateway", what="template", delay=0.01
    )
    mark = {"spec": {"template": {"metadata": {"annotations": {"mark": "1"}}}}}
    sandbox.cluster.patch("Deployment", "apim", "apim-gateway", mark)
    assert marks() != before
    await sandbox.cluster.wait_for(lambda _: writer.restored == 1)
    assert marks() == before


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "Deployment", "name": "apim-gateway", "what": "value"},
        {"kind": "Secret", "name": "absent"},
        {"kind": "Secret", "name": "apim-access-token", "cluster": "moon"},
    ],
)
async def test_invalid_arguments_are_refused(sandbox, place, wrong):
    with pytest.raises(ConflictingWriterError):
        sandbox.conflicting_writers.start(**{"namespace": "apim"} | wrong)

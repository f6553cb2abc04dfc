"""Who replaced what we wrote, as far as the object's managedFields tell."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from rotator.kube.targets.field_managers import last_writer
from rotator.kube.targets.workloads import RESTARTED_AT, _reverted_by
from tests.kube.objects import a_workload, encoded, token
from tests.kube.scene import KEY, only_target, record_of, secret

DATA = ("data", KEY)
AT = datetime(2029, 12, 24, 12, 0, 0, 500000, tzinfo=UTC)


def entry(manager: str, *fields: str, seconds: int = 0, **more) -> dict:
    """An entry that owns the field at this path."""
    owned: dict = {}
    for field in reversed(fields):
        owned = {f"f:{field}": owned}
    when = AT.replace(microsecond=0) + timedelta(seconds=seconds)
    return {
        "manager": manager,
        "operation": "Update",
        "time": f"{when:%Y-%m-%dT%H:%M:%SZ}",
        "fieldsType": "FieldsV1",
        "fieldsV1": owned,
    } | more


def meta(*entries) -> dict:
    return {"managedFields": list(entries)}


def test_the_newest_other_writer_that_owns_the_field_is_named():
    of = meta(
        entry("argocd-controller", *DATA, seconds=10, operation="Apply"),
        entry("helm", *DATA, seconds=9),
        entry("kubectl-edit", "data", "other", seconds=11),
        entry("apim-token-rotator", "metadata", "annotations", seconds=12),
    )
    assert last_writer(of, DATA) == "argocd-controller (Apply, 2029-12-24T12:00:10Z)"


def test_the_rotator_is_no_other_writer():
    assert last_writer(meta(entry("apim-token-rotator", *DATA)), DATA) == ""


def test_who_wrote_a_status_wrote_no_template():
    of = meta(entry("kube-controller-manager", "spec", "template", subresource="status"))
    assert last_writer(of, ("spec", "template")) == ""


def test_nothing_is_said_where_nothing_is_told():
    for of in ({}, {"managedFields": None}, meta({"manager": "x"}), meta({"fieldsV1": {"f:data": None}})):
        assert last_writer(of, DATA) == ""


def test_a_name_that_looks_like_a_token_is_not_repeated():
    assert token() not in last_writer(meta(entry(token(), *DATA)), DATA)


async def test_who_replaced_the_value_is_named(scene):
    await scene.store.write(only_target(await scene.store.observe()), scene.fresh, record_of(scene.fresh))
    assert only_target(await scene.store.observe()).writer == ""
    value = {"data": {KEY: encoded(scene.value)}}
    scene.sandbox.cluster.patch("Secret", "default", "s", value, manager="argocd-controller")
    found = only_target(await scene.store.observe())
    assert found.drifted
    assert found.writer.startswith("argocd-controller (Update, 20")


async def test_a_value_that_the_rotator_never_wrote_has_no_writer(scene):
    scene.sandbox.cluster.apply(secret(scene.value), manager="helm")
    assert only_target(await scene.store.observe()).writer == ""


def reverted(mark: str | None = None, seconds: int = 1) -> dict:
    found = a_workload("Deployment", {})
    found["metadata"] |= {
        "annotations": {RESTARTED_AT: AT.isoformat()},
        "managedFields": [entry("helm", "spec", "template", "metadata", seconds=seconds)],
    }
    if mark:
        found["spec"]["template"] = {"metadata": {"annotations": {"apim-token-rotator/token": mark}}}
    return found


def test_who_removed_the_token_from_a_template_is_named():
    assert _reverted_by(reverted()) == "template last written by helm (Update, 2029-12-24T12:00:01Z)"


def test_who_wrote_the_template_before_us_is_not():
    assert _reverted_by(reverted(seconds=0)) == ""


def test_a_template_that_has_its_token_was_not_reverted():
    assert _reverted_by(reverted("0123456789ab")) == ""


def test_a_template_that_the_rotator_never_changed_was_not_reverted():
    found = reverted()
    del found["metadata"]["annotations"]
    assert _reverted_by(found) == ""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
import yaml

from rotator.config import KubernetesSettings
from rotator.errors import Conflict, Refused, Unavailable
from rotator.kube import check_access
from rotator.kube.client import paths
from rotator.kube.client.responses import NotFound
from tests.kube.objects import encoded, token

PATH = paths.secret("default", "s")


async def test_an_object_is_read_and_patched(connection, plain_secret):
    read = await connection.call("GET", PATH)
    patched = await connection.patch(PATH, {"metadata": {"annotations": {"a": "b"}}}, "Secret default/s")
    assert read["data"] == {"value": encoded(token())}
    assert patched["metadata"]["annotations"]["a"] == "b"


async def test_what_does_not_exist_is_not_found(connection):
    with pytest.raises(NotFound, match="Secret default/s does not exist"):
        await connection.call("GET", PATH, what="Secret default/s")


async def test_a_stale_patch_and_a_second_creation_are_conflicts(connection, plain_secret):
    stale = {
        "metadata": {
            "resourceVersion": plain_secret["metadata"]["resourceVersion"],
            "annotations": {"a": "b"},
        }
    }
    await connection.patch(PATH, stale, "Secret default/s")
    with pytest.raises(Conflict, match="has been modified"):
        await connection.patch(PATH, {"metadata": stale["metadata"] | {"annotations": {"a": "c"}}}, "s")
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}
    with pytest.raises(Conflict, match="already exists"):
        await connection.call("POST", PATH.removesuffix("/s"), body=body)


CALLS = [
    ("GET", PATH, None),
    ("PATCH", PATH, {"data": {"value": encoded(token())}}),
    ("POST", PATH.removesuffix("/s"), {"metadata": {"name": "t"}, "data": {"value": encoded(token())}}),
]


async def fails(connection, method, path, body, **options):
    kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
    with pytest.raises(Unavailable) as failed:
        await connection.call(method, path, body=body, content_type=kind, what="Secret default/s", **options)
    return failed.value


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    "fault",
    [
        {"action": "status", "status": 500},
        {"action": "status", "status": 503},
        {"action": "status", "status": 200, "body": "<html>a proxy</html>"},
        {"action": "reset"},
    ],
)
async def test_a_call_that_fails_is_unavailable(
    connection, sandbox, plain_secret, logged, method, path, body, when, fault
):
    sandbox.faults.add(server="kubernetes", times=None, when=when, **fault)
    problem = await fails(connection, method, path, body)
    assert encoded(token()) not in f"{problem} {problem.__cause__} {logged()}"


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
async def test_a_busy_server_says_when_to_come_back(connection, sandbox, plain_secret, method, path, body):
    sandbox.faults.add(server="kubernetes", action="status", status=429, retry_after=7)
    assert (await fails(connection, method, path, body)).retry_after == timedelta(seconds=7)


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
async def test_a_server_that_hangs_is_given_up(connection, sandbox, plain_secret, method, path, body):
    sandbox.faults.add(server="kubernetes", action="hang")
    problem = await fails(connection, method, path, body, call_timeout=0.1)
    assert "did not answer within 0.1 s" in str(problem)


async def test_a_server_that_is_not_there_is_unavailable(connect, sandbox, tmp_path):
    config = yaml.safe_load(sandbox.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    (tmp_path / "nowhere").write_text(yaml.safe_dump(config))
    connection = await connect(settings=KubernetesSettings(kubeconfig=tmp_path / "nowhere"))
    assert "cannot be reached" in str(await fails(connection, "GET", PATH, None))


async def test_a_missing_right_is_refused_with_the_rule_to_grant(connection, sandbox):
    said = 'secrets "s" is forbidden: User "sandbox" cannot get resource "secrets" in API group ""'
    status = json.dumps({"kind": "Status", "message": said, "reason": "Forbidden", "code": 403})
    sandbox.faults.add(server="kubernetes", action="status", status=403, body=status)
    with pytest.raises(Refused, match='resourceNames \\["s"\\], verbs \\["get"\\]'):
        await check_access(connection, "default", "s")


async def test_credentials_are_proven_whether_the_secret_exists_or_not(connection, sandbox):
    await check_access(connection, "default", "missing")
    assert sandbox.journal.calls("kubernetes", "GET")[-1].status == 404

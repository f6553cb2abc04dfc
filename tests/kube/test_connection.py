from __future__ import annotations

import asyncio
import json
import stat
import sys
from contextlib import aclosing, suppress
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
import yaml

from rotator.config import KubernetesSettings
from rotator.errors import Conflict, Refused, Unavailable
from rotator.kube import paths, prove
from rotator.kube.answers import NotFound
from tests.kube.data import encoded, token

PATH = paths.secret("default", "s")


@pytest.fixture
def secret(sandbox):
    return sandbox.cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "s", "namespace": "default"},
            "data": {"value": encoded(token())},
        }
    )


async def test_an_object_is_read_and_patched(connection, secret):
    read = await connection.call("GET", PATH)
    patched = await connection.patch(PATH, {"metadata": {"annotations": {"a": "b"}}}, "Secret default/s")
    assert read["data"] == {"value": encoded(token())}
    assert patched["metadata"]["annotations"]["a"] == "b"


async def test_what_does_not_exist_is_not_found(connection):
    with pytest.raises(NotFound, match="Secret default/s does not exist"):
        await connection.call("GET", PATH, what="Secret default/s")


async def test_a_stale_patch_and_a_second_creation_are_conflicts(connection, secret):
    stale = {
        "metadata": {"resourceVersion": secret["metadata"]["resourceVersion"], "annotations": {"a": "b"}}
    }
    await connection.patch(PATH, stale, "Secret default/s")
    with pytest.raises(Conflict, match="has been modified"):
        await connection.patch(PATH, {"metadata": stale["metadata"] | {"annotations": {"a": "c"}}}, "s")
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}
    with pytest.raises(Conflict, match="exists already"):
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
    connection, sandbox, secret, said, method, path, body, when, fault
):
    sandbox.faults.add(server="kubernetes", times=None, when=when, **fault)
    problem = await fails(connection, method, path, body)
    assert encoded(token()) not in f"{problem} {problem.__cause__} {said()}"


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
async def test_a_busy_server_says_when_to_come_back(connection, sandbox, secret, method, path, body):
    sandbox.faults.add(server="kubernetes", action="status", status=429, retry_after=7)
    assert (await fails(connection, method, path, body)).retry_after == timedelta(seconds=7)


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
async def test_a_server_that_hangs_is_given_up(connection, sandbox, secret, method, path, body):
    sandbox.faults.add(server="kubernetes", action="hang")
    problem = await fails(connection, method, path, body, patience=0.1)
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
        await prove(connection, "default", "s")


async def test_credentials_are_proven_whether_the_secret_exists_or_not(connection, sandbox):
    await prove(connection, "default", "missing")
    assert sandbox.journal.calls("kubernetes", "GET")[-1].status == 404


def with_user(sandbox, tmp_path, user):
    """Return settings that use the sandbox as another user."""
    config = yaml.safe_load(sandbox.kubeconfig.read_text())
    secret = config["users"][0]["user"]["token"]
    config["users"][0]["user"] = user
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    return KubernetesSettings(kubeconfig=tmp_path / "config"), secret


async def test_a_token_file_of_a_kubeconfig_is_followed(connect, sandbox, tmp_path, said):
    file = tmp_path / "token"
    file.write_text("old\n")
    settings, right = with_user(sandbox, tmp_path, {"tokenFile": str(file)})
    connection = await connect(settings=settings)
    await rejected_until_renewed(connection, file, right)
    assert right not in said()


async def test_a_pods_service_account_token_is_followed(connect, sandbox, tmp_path):
    account = tmp_path / "serviceaccount"
    account.mkdir()
    (account / "ca.crt").write_text(sandbox.ca_file.read_text())
    (account / "token").write_text("old\n")
    where = urlsplit(sandbox.kubernetes_url)
    environ = {"KUBERNETES_SERVICE_HOST": str(where.hostname), "KUBERNETES_SERVICE_PORT": str(where.port)}
    connection = await connect(settings=KubernetesSettings(), environ=environ, service_account=account)
    _, right = with_user(sandbox, tmp_path, {})
    await rejected_until_renewed(connection, account / "token", right)


async def rejected_until_renewed(connection, file, right):
    assert "does not accept" in str(await fails(connection, "GET", PATH, None))
    file.write_text(f"{right}\n")
    await prove(connection, "default", "s")
    file.unlink()
    assert "cannot be read" in str(await fails(connection, "GET", PATH, None))
    file.write_text(" \n")
    assert "does not hold a token" in str(await fails(connection, "GET", PATH, None))
    file.write_text(right)
    await prove(connection, "default", "s")


PLUGIN = """#!{python}
import json, pathlib
here = pathlib.Path(__file__).parent
with (here / "runs").open("a") as runs:
    runs.write("x")
status = {{"token": (here / "given").read_text(), "expirationTimestamp": (here / "expiry").read_text()}}
kind = {{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}}
print(json.dumps(kind | {{"status": status}}))
"""


@pytest.fixture
def plugin(tmp_path):
    script = tmp_path / "plugin"
    script.write_text(PLUGIN.format(python=sys.executable))
    script.chmod(stat.S_IRWXU)
    (tmp_path / "given").write_text("old")
    (tmp_path / "expiry").write_text("2020-01-01T00:00:00Z")
    return {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(script)}}


async def test_a_kubeconfigs_plugin_is_asked_again_when_its_token_runs_out(
    connect, sandbox, tmp_path, plugin
):
    settings, right = with_user(sandbox, tmp_path, plugin)
    connection = await connect(settings=settings)
    await fails(connection, "GET", PATH, None)
    (tmp_path / "given").write_text(right)
    (tmp_path / "expiry").write_text(f"{datetime.now(UTC) + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}")
    await prove(connection, "default", "s")
    runs = (tmp_path / "runs").read_text()
    await prove(connection, "default", "s")
    assert (tmp_path / "runs").read_text() == runs


async def test_a_kubeconfigs_plugin_that_gives_nothing_is_refused(connect, sandbox, tmp_path):
    broken = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "false"}}
    settings, _ = with_user(sandbox, tmp_path, broken)
    with pytest.raises(Refused, match="exec plugin gave no credential"):
        await connect(settings=settings)


@pytest.mark.parametrize("text", ["", "{", "a: [", "users: 3", "current-context: x"])
async def test_a_kubeconfig_that_cannot_be_used_is_refused(connect, tmp_path, text):
    (tmp_path / "config").write_text(text)
    with pytest.raises(Refused, match=r"Mend .*config"):
        await connect(settings=KubernetesSettings(kubeconfig=tmp_path / "config"), environ={})


async def test_the_kubeconfig_of_the_environment_is_used(connect, sandbox):
    connection = await connect(settings=KubernetesSettings(), environ={"KUBECONFIG": str(sandbox.kubeconfig)})
    await prove(connection, "default", "s")


SECRETS = PATH.removesuffix("/s")


async def first_event(connection, query=(), within=5.0):
    async with aclosing(connection.watch(SECRETS, query, within)) as events:
        return await anext(events, None)


async def test_a_watch_yields_what_changes(connection, secret):
    since = (("resourceVersion", secret["metadata"]["resourceVersion"]),)
    waiting = asyncio.create_task(first_event(connection, since))
    await connection.patch(PATH, {"metadata": {"annotations": {"a": "b"}}}, "s")
    event = await waiting
    assert (event["type"], event["object"]["metadata"]["annotations"]) == ("MODIFIED", {"a": "b"})


async def test_a_watch_from_too_old_a_version_ends(connection, sandbox, secret):
    await connection.patch(PATH, {"metadata": {"annotations": {"a": "b"}}}, "s")
    sandbox.cluster.compact()
    since = (("resourceVersion", secret["metadata"]["resourceVersion"]),)
    assert await first_event(connection, since) is None


async def test_a_watch_ends_when_its_time_is_over(connection, sandbox):
    version = sandbox.cluster.apply({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "c"}})
    since = (("resourceVersion", version["metadata"]["resourceVersion"]),)
    assert await first_event(connection, since, within=1.0) is None


async def test_a_watch_on_a_server_that_hangs_is_given_up(connect, sandbox):
    connection = await connect(patience=0.1)
    sandbox.faults.add(server="kubernetes", action="hang", path="/secrets$")
    with pytest.raises(Unavailable, match="did not answer"):
        await first_event(connection, within=0.1)


async def test_a_watch_that_is_cut_ends(connection, sandbox, secret):
    since = (("resourceVersion", secret["metadata"]["resourceVersion"]),)
    async with aclosing(connection.watch(SECRETS, since, 30.0)) as events:
        waiting = asyncio.create_task(anext(events, None))
        await connection.patch(PATH, {"metadata": {"annotations": {"a": "b"}}}, "s")
        assert await waiting is not None
        sandbox.cluster.drop_watches()
        with suppress(StopAsyncIteration):
            assert await anext(events, None) is None


async def test_a_cancelled_watch_leaves_no_connection_behind(connection, sandbox, secret):
    since = (("resourceVersion", secret["metadata"]["resourceVersion"]),)
    watched = asyncio.Event()

    async def watch():
        async with aclosing(connection.watch(SECRETS, since, 30.0)) as events:
            async for _ in events:
                watched.set()

    watching = asyncio.create_task(watch())
    await connection.patch(PATH, {"metadata": {"annotations": {"a": "b"}}}, "s")
    await watched.wait()
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    assert not connection._client.rest_client.pool_manager.connector._acquired
    assert not connection._watches

from __future__ import annotations

import os
import stat
import sys
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
import yaml

from rotator.config import KubernetesSettings
from rotator.errors import Refused, Unavailable
from rotator.kube import check_access
from rotator.kube.client import paths
from rotator.kube.client.credentials import context_of

PATH = paths.secret("default", "s")


async def fails(connection) -> str:
    with pytest.raises(Unavailable) as failed:
        await connection.call("GET", PATH, what="Secret default/s")
    return str(failed.value)


def with_user(sandbox, tmp_path, user):
    """Return settings that use the sandbox as another user."""
    config = yaml.safe_load(sandbox.kubeconfig.read_text())
    secret = config["users"][0]["user"]["token"]
    config["users"][0]["user"] = user
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    return KubernetesSettings(kubeconfig=tmp_path / "config"), secret


async def test_a_token_file_of_a_kubeconfig_is_followed(connect, sandbox, tmp_path, logged):
    file = tmp_path / "token"
    file.write_text("old\n")
    settings, right = with_user(sandbox, tmp_path, {"tokenFile": str(file)})
    connection = await connect(settings=settings)
    await rejected_until_renewed(connection, file, right)
    assert right not in logged()


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
    assert "rejected this process's credentials" in await fails(connection)
    file.write_text(f"{right}\n")
    await check_access(connection, "default", "s")
    file.unlink()
    assert "cannot be read" in await fails(connection)
    file.write_text(" \n")
    assert "does not hold a token" in await fails(connection)
    file.write_text(right)
    await check_access(connection, "default", "s")


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
    await fails(connection)
    (tmp_path / "given").write_text(right)
    (tmp_path / "expiry").write_text(f"{datetime.now(UTC) + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}")
    await check_access(connection, "default", "s")
    runs = (tmp_path / "runs").read_text()
    await check_access(connection, "default", "s")
    assert (tmp_path / "runs").read_text() == runs


async def test_a_plugins_token_that_is_revoked_before_its_time_is_replaced(
    connect, sandbox, tmp_path, plugin
):
    settings, right = with_user(sandbox, tmp_path, plugin)
    (tmp_path / "expiry").write_text(f"{datetime.now(UTC) + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}")
    await a_rejected_plugin_is_asked_again(connect, settings, tmp_path, right)


async def test_a_plugin_that_names_no_expiry_is_asked_again_when_its_token_is_not_accepted(
    connect, sandbox, tmp_path, plugin
):
    settings, right = with_user(sandbox, tmp_path, plugin)
    script = tmp_path / "plugin"
    named = ', "expirationTimestamp": (here / "expiry").read_text()'
    assert named in script.read_text()
    script.write_text(script.read_text().replace(named, ""))
    await a_rejected_plugin_is_asked_again(connect, settings, tmp_path, right)


async def a_rejected_plugin_is_asked_again(connect, settings, tmp_path, right):
    connection = await connect(settings=settings)
    assert "rejected this process's credentials" in await fails(connection)
    (tmp_path / "given").write_text(right)
    await check_access(connection, "default", "s")
    runs = (tmp_path / "runs").read_text()
    await check_access(connection, "default", "s")
    assert (tmp_path / "runs").read_text() == runs == "xx"


async def test_a_plugin_whose_tokens_are_never_accepted_is_not_asked_all_the_time(
    connect, sandbox, tmp_path, plugin
):
    settings, _ = with_user(sandbox, tmp_path, plugin)
    (tmp_path / "expiry").write_text(f"{datetime.now(UTC) + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}")
    connection = await connect(settings=settings)
    for _ in range(5):
        assert "rejected this process's credentials" in await fails(connection)
    assert (tmp_path / "runs").read_text() == "xx"


HANGS = """import os, pathlib, time
pathlib.Path(__file__).with_name("pid").write_text(str(os.getpid()))
time.sleep(600)
import json"""


async def test_a_plugin_that_hangs_is_ended_and_asked_again(connect, sandbox, tmp_path, plugin, monkeypatch):
    settings, right = with_user(sandbox, tmp_path, plugin)
    (tmp_path / "given").write_text(right)
    connection = await connect(settings=settings)
    monkeypatch.setattr("rotator.kube.client.exec_plugin.PLUGIN_TIMEOUT", 1.0)
    script = (tmp_path / "plugin").read_text()
    (tmp_path / "plugin").write_text(script.replace("import json", HANGS, 1))
    await check_access(connection, "default", "s")  # with what it gave before
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
    (tmp_path / "plugin").write_text(script)
    (tmp_path / "given").write_text("new")
    sandbox.cluster.set_token("new")
    await check_access(connection, "default", "s")


async def test_a_token_file_counts_more_than_a_token_beside_it(connect, sandbox, tmp_path):
    """As in kubeconfigs that were written for a process, from a service account."""
    file = tmp_path / "token"
    settings, right = with_user(sandbox, tmp_path, {"tokenFile": str(file), "token": "stale"})
    await fails(await connect(settings=settings))
    file.write_text(right)
    await check_access(await connect(settings=settings), "default", "s")


async def test_a_kubeconfigs_plugin_that_gives_nothing_is_refused(connect, sandbox, tmp_path):
    broken = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "false"}}
    settings, _ = with_user(sandbox, tmp_path, broken)
    with pytest.raises(Refused, match="exec plugin gave no credential"):
        await connect(settings=settings)


@pytest.mark.parametrize("text", ["", "{", "a: [", "users: 3", "current-context: x"])
async def test_a_kubeconfig_that_cannot_be_used_is_refused(connect, tmp_path, text):
    (tmp_path / "config").write_text(text)
    with pytest.raises(Refused, match=r"Correct .*config"):
        await connect(settings=KubernetesSettings(kubeconfig=tmp_path / "config"), environ={})


async def test_of_several_kubeconfigs_the_first_says_the_current_context(connect, sandbox, tmp_path):
    """As for kubectl: what a person sees with one tool is what the other acts on."""
    other = yaml.safe_load(sandbox.kubeconfig.read_text())
    other["clusters"][0] = {"name": "other", "cluster": {"server": "https://127.0.0.1:1"}}
    other["contexts"][0] = {"name": "other", "context": {"cluster": "other", "user": "other"}}
    other["users"][0] = {"name": "other", "user": {"token": "x"}}
    other["current-context"] = "other"
    (tmp_path / "other").write_text(yaml.safe_dump(other))
    environ = {"KUBECONFIG": f"{sandbox.kubeconfig}:{tmp_path / 'other'}"}
    await check_access(await connect(settings=KubernetesSettings(), environ=environ), "default", "s")
    first = yaml.safe_load(sandbox.kubeconfig.read_text())["current-context"]
    assert context_of(KubernetesSettings(), environ) == first


async def test_the_kubeconfig_of_the_environment_is_used(connect, sandbox):
    connection = await connect(settings=KubernetesSettings(), environ={"KUBECONFIG": str(sandbox.kubeconfig)})
    await check_access(connection, "default", "s")

from __future__ import annotations

import pytest

from rotator.errors import Refused
from rotator.kube.targets.secret_format import find_key, readers
from tests.kube.objects import a_secret, token


def data(**values: str):
    return a_secret(**values)["data"]


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"config__service__auth__key": token()}, "config.service.auth.key"),
        ({"value": f"GatewayKey {token()}"}, "value"),
        ({"gateway-key": token(), "azure-ad-app-secret": "x"}, "gateway-key"),
        ({"value": "something", "gateway-key": token()}, "gateway-key"),
        ({"value": "<token>", "other": token()}, "value"),
        ({"own-name": token(), "ca.crt": "pem"}, "own-name"),
    ],
)
def test_the_key_is_found_from_the_layout(values, key):
    assert find_key(data(**values), "Secret apim/s") == key


@pytest.mark.parametrize("values", [{}, {"a": "x", "b": "y"}, {"a": token(), "b": token()}])
def test_an_unknown_layout_is_refused_with_what_to_write(values):
    with pytest.raises(Refused, match=r'set key = "\.\.\."') as refused:
        find_key(data(**values), "Secret apim/s")
    assert ", ".join(sorted(values)) in str(refused.value)
    assert token() not in str(refused.value)


def env(**ref):
    return {"name": "gw", "env": [{"name": "T", "valueFrom": {"secretKeyRef": ref}}]}


MOUNTED = {"name": "gw", "volumeMounts": [{"name": "v", "mountPath": "/t"}]}


@pytest.mark.parametrize(
    ("container", "volume"),
    [
        (env(name="s", key="value"), {}),
        ({"name": "gw", "envFrom": [{"secretRef": {"name": "s"}}]}, {}),
        ({"name": "gw", "envFrom": [{"prefix": "APIM_", "secretRef": {"name": "s"}}]}, {}),
        (MOUNTED, {"secret": {"secretName": "s"}}),
        (MOUNTED, {"secret": {"secretName": "s", "items": [{"key": "value", "path": "t"}]}}),
        (MOUNTED, {"projected": {"sources": [{"configMap": {"name": "c"}}, {"secret": {"name": "s"}}]}}),
    ],
)
def test_a_container_that_reads_the_secret_is_found(container, volume):
    spec = {"containers": [{"name": "other"}, container], "volumes": [{"name": "v", **volume}]}
    assert readers(spec, "s", "value") == {"gw"}


@pytest.mark.parametrize(
    ("container", "volume"),
    [
        (env(name="s", key="another"), {}),
        (env(name="another", key="value"), {}),
        ({"name": "gw", "envFrom": [{"configMapRef": {"name": "s"}}]}, {}),
        ({"name": "gw", "env": [{"name": "A", "value": "s"}]}, {}),
        ({"name": "gw"}, {"secret": {"secretName": "s"}}),
        (MOUNTED, {"secret": {"secretName": "s", "items": [{"key": "another", "path": "t"}]}}),
        (MOUNTED, {"configMap": {"name": "s"}}),
    ],
)
def test_a_container_that_does_not_read_the_secret_is_left_out(container, volume):
    spec = {"containers": [container], "volumes": [{"name": "v", **volume}]}
    assert readers(spec, "s", "value") == frozenset()


def test_init_containers_read_too():
    spec = {"initContainers": [env(name="s", key="value")], "containers": [{"name": "main"}]}
    assert readers(spec, "s", "value") == {"gw"}

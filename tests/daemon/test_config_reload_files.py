"""Which files a generation reads once, so that a change of them asks for another one."""

from __future__ import annotations

from pathlib import Path

import yaml

from rotator.config import load
from rotator.daemon.resources import files_of
from rotator.kube.client.credentials import SERVICE_ACCOUNT
from tests.configuration import NO_WEBHOOK, gateway, table

TEXT = (
    table("[azure]", ca_file="ca.pem")
    + table("[kubernetes]", kubeconfig="kube/config")
    + NO_WEBHOOK
    + gateway()
)
KUBECONFIG = {
    "clusters": [{"name": "a", "cluster": {"certificate-authority": "ca.crt"}}],
    "users": [
        {"name": "a", "user": {"client-certificate": "/abs/c.pem", "client-key": "k.pem", "tokenFile": "t"}}
    ],
}


def files(folder: Path, text: str = TEXT, **environ: str) -> set[Path]:
    (config := folder / "config.toml").write_text(text)
    found = files_of(config, load(config, environ), environ)
    assert config in found
    return set(found - {config})


def test_certificates_that_a_kubeconfig_names_count_and_its_token_file_does_not(tmp_path: Path) -> None:
    (kube := tmp_path / "kube").mkdir()
    (kube / "config").write_text(yaml.safe_dump(KUBECONFIG))
    wanted = {tmp_path / "ca.pem", kube / "config", kube / "ca.crt", Path("/abs/c.pem"), kube / "k.pem"}
    assert files(tmp_path) == wanted


def test_a_kubeconfig_that_cannot_be_read_is_waited_for(tmp_path: Path) -> None:
    (kube := tmp_path / "kube").mkdir()
    for text in ("", "clusters: [", "- 1", "clusters: 5\nusers: [7, {user: 3}]", "\x00"):
        (kube / "config").write_text(text)
        assert files(tmp_path) == {tmp_path / "ca.pem", kube / "config"}


def test_in_a_pod_the_clusters_ca_counts_and_several_kubeconfigs_do(tmp_path: Path) -> None:
    text = TEXT.replace('kubeconfig = "kube/config"', "").replace('ca_file = "ca.pem"', "")
    environ = {"KUBERNETES_SERVICE_HOST": "x", "KUBECONFIG": "/a:/b"}
    wanted = {SERVICE_ACCOUNT / "ca.crt", Path("/a"), Path("/b")}
    assert files(tmp_path, text, **environ) == wanted

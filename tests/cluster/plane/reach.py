"""How to reach a cluster as its administrator, and kubeconfigs for everybody else."""

from __future__ import annotations

import base64
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.api import Api

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reach:
    """Address, whom to trust, and the administrator's credential: a certificate (with key) or a token."""

    server: str
    ca: Path
    certificate: tuple[Path, Path] | None = None
    token: str | None = None

    def api(self) -> Api:
        """A client for the administrator; to be entered."""
        return Api(self.server, self.tls(self.certificate), self.token)

    def tls(self, certificate: tuple[Path, Path] | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.ca)
        if certificate:
            context.load_cert_chain(*certificate)
        return context

    def kubeconfig(self, path: Path, user: Json) -> Path:
        """Write a kubeconfig; `user` is as in one: `tokenFile`, `token`, or certificate files."""
        name = "test"
        cluster = {"server": self.server, "certificate-authority": str(self.ca)}
        path.touch(mode=0o600)
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": name,
            "clusters": [{"name": name, "cluster": cluster}],
            "users": [{"name": name, "user": user}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": "default"}}],
        }
        path.write_text(yaml.safe_dump(config))
        return path


def certified(certificate: tuple[Path, Path]) -> Json:
    """The user of a kubeconfig who shows this certificate."""
    return {"client-certificate": str(certificate[0]), "client-key": str(certificate[1])}


def read(kubeconfig: Path, directory: Path) -> Reach:
    """The current context of a kubeconfig, with token or certificate; inline data is written to `directory`.

    Raises:
        LookupError: it has neither.
    """
    config = yaml.safe_load(kubeconfig.read_text())
    context = _named(config["contexts"], config["current-context"])["context"]
    cluster = _named(config["clusters"], context["cluster"])["cluster"]
    user = _named(config["users"], context["user"])["user"]

    def file(of: Json, key: str) -> Path:
        if key in of:
            return kubeconfig.parent / str(of[key])
        made = directory / key
        made.touch(mode=0o600)
        made.write_bytes(base64.b64decode(of[f"{key}-data"]))
        return made

    ca = file(cluster, "certificate-authority")
    if "token" in user:
        return Reach(cluster["server"], ca, token=user["token"])
    return Reach(cluster["server"], ca, (file(user, "client-certificate"), file(user, "client-key")))


def _named(entries: list[Json], name: str) -> Json:
    return next(entry for entry in entries if entry["name"] == name)

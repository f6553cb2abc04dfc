"""The chart's ServiceAccount on the real cluster: its Roles, and tokens for it."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt

from tests.chart.conftest import values
from tests.chart.helm import Helm
from tests.cluster.api import Api, ApiError
from tests.cluster.plane.control import ControlPlane
from tests.cluster.plane.flags import ISSUER

Json = dict[str, Any]
NAMESPACE = "rotator"
USER = f"system:serviceaccount:{NAMESPACE}:tokens-apim-token-rotator"
"""As the audit log names it."""
_RBAC = "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/{}"
LEEWAY = 60
"""Seconds that the API server takes a token for good after its end (go-jose, jwt.DefaultLeeway)."""
_PLURALS = {"Role": "roles", "RoleBinding": "rolebindings"}


@dataclass(frozen=True, slots=True)
class Account:
    """A ServiceAccount that may do what the chart grants, and the file that its token is in."""

    api: Api
    name: str
    uid: str
    file: Path

    @property
    def user(self) -> str:
        return f"system:serviceaccount:{NAMESPACE}:{self.name}"

    async def refresh(self, seconds: int = 3600) -> None:
        """Have the API server sign a new token, as kubelet does for a pod."""
        where = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{self.name}/token"
        wish = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": seconds},
        }
        self._put((await self.api.ask("POST", where, wish))["status"]["token"])

    def expire_in(self, plane: ControlPlane, seconds: float) -> None:
        """A token as the API server signs them, but shorter lived than the ten minutes it grants at least."""
        now = int(time.time())
        account = {"name": self.name, "uid": self.uid}
        claims = {
            "iss": ISSUER,
            "aud": [ISSUER],
            "sub": self.user,
            "iat": now - 600,
            "nbf": now - 600,
            "exp": now + int(seconds) - LEEWAY,
            "kubernetes.io": {"namespace": NAMESPACE, "serviceaccount": account},
        }
        self._put(jwt.encode(claims, plane.pki.accounts_key.read_bytes(), algorithm="ES256"))

    def _put(self, token: str) -> None:
        new = self.file.with_suffix(".new")
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(token)
        new.replace(self.file)


async def install(api: Api, helm: Helm, gateways: list[Json], leases: str, directory: Path) -> Account:
    """Create what the chart renders for these gateways, with their Leases in a namespace that is not the
    release's, which all tests share; but for its pod. Get a token.
    """
    wanted = values("least")
    wanted["config"] |= {"gateways": gateways, "kubernetes": {"lease_namespace": leases}}
    manifests = helm.render(json.loads(json.dumps(wanted)))
    account = next(m for m in manifests if m["kind"] == "ServiceAccount")
    await _tolerant(api, "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    await _tolerant(api, f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts", account)
    for manifest in manifests:
        if plural := _PLURALS.get(manifest["kind"]):
            await _tolerant(api, _RBAC.format(manifest["metadata"]["namespace"], plural), manifest)
    name = account["metadata"]["name"]
    made = await api.ask("GET", f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{name}")
    result = Account(api, name, made["metadata"]["uid"], directory / "account-token")
    await result.refresh()
    return result


async def _tolerant(api: Api, where: str, body: Json) -> None:
    """Create it, unless an earlier test did: what is in the rotator's own namespace is always the same."""
    try:
        await api.ask("POST", where, body)
    except ApiError as error:
        if error.status != 409:
            raise

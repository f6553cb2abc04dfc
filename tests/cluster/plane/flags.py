"""The flags of each program: loopback only, RBAC on, everything audited."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.cluster.plane.pki import Authority

ISSUER = "https://kubernetes.default.svc.cluster.local"
AUDIT_POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
- level: Request
  verbs: [create, update, patch]
  resources:
  - {group: "", resources: [events]}
  - {group: apps, resources: [deployments, statefulsets, daemonsets]}
  - {group: coordination.k8s.io, resources: [leases]}
- level: Metadata
"""
"""Bodies of everything but Secrets: a token that strayed into one of them would show."""

Flags = tuple[str, ...]


def _flags(values: Mapping[str, object]) -> Flags:
    return tuple(f"--{name}={value}" for name, value in values.items())


def etcd(directory: Path, client_port: int, peer_port: int) -> Flags:
    client, peer = f"http://127.0.0.1:{client_port}", f"http://127.0.0.1:{peer_port}"
    return _flags(
        {
            "data-dir": directory / "etcd",
            "listen-client-urls": client,
            "advertise-client-urls": client,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": f"default={peer}",
            "unsafe-no-fsync": "true",
            "log-level": "warn",
        }
    )


def apiserver(directory: Path, pki: Authority, port: int, etcd_port: int) -> Flags:
    policy = directory / "audit-policy.yaml"
    policy.write_text(AUDIT_POLICY)
    certificate, key = pki.server()
    return _flags(
        {
            "etcd-servers": f"http://127.0.0.1:{etcd_port}",
            "bind-address": "127.0.0.1",
            "external-hostname": "127.0.0.1",
            "secure-port": port,
            "tls-cert-file": certificate,
            "tls-private-key-file": key,
            "client-ca-file": pki.ca,
            "anonymous-auth": "false",
            "authorization-mode": "RBAC",
            "service-account-issuer": ISSUER,
            "service-account-key-file": pki.accounts_key,
            "service-account-signing-key-file": pki.accounts_key,
            "service-cluster-ip-range": "10.0.0.0/16",
            "endpoint-reconciler-type": "none",
            "audit-policy-file": policy,
            "audit-log-path": directory / "audit.log",
            "audit-log-mode": "blocking",
            "watch-cache": "true",
        }
    )


def controllers(pki: Authority, kubeconfig: Path) -> Flags:
    return _client(kubeconfig) + _flags(
        {
            "service-account-private-key-file": pki.accounts_key,
            "root-ca-file": pki.ca,
            "use-service-account-credentials": "false",
            # paused and killed API servers are part of the tests: nodes stay trusted meanwhile
            "node-monitor-grace-period": "10m",
        }
    )


def scheduler(kubeconfig: Path) -> Flags:
    return _client(kubeconfig)


def _client(kubeconfig: Path) -> Flags:
    return _flags(
        {
            "kubeconfig": kubeconfig,
            "leader-elect": "false",
            "bind-address": "127.0.0.1",
            "secure-port": 0,
            "kube-api-qps": 200,
            "kube-api-burst": 400,
        }
    )

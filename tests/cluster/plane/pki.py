"""The control plane's own authority: server and client certificates, and the key that signs account tokens."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import trustme

from sandbox.tls import write_private

ADMINS = "system:masters"


@dataclass(frozen=True, slots=True)
class Authority:
    """Signs certificates into `directory`, as NAME.pem and NAME-key.pem."""

    directory: Path
    signer: trustme.CA

    @classmethod
    def create(cls, directory: Path) -> Authority:
        directory.mkdir(parents=True, exist_ok=True)
        made = cls(directory, trustme.CA(organization_unit_name="test plane"))
        made.signer.cert_pem.write_to_path(made.ca)
        write_private(made.accounts_key, made.signer.issue_cert("accounts").private_key_pem.bytes())
        return made

    @property
    def ca(self) -> Path:
        return self.directory / "ca.pem"

    @property
    def accounts_key(self) -> Path:
        """Signs the tokens of ServiceAccounts."""
        return self.directory / "accounts-key.pem"

    def server(self) -> tuple[Path, Path]:
        """Certificate and key of a server on loopback."""
        return self._write("server", self.signer.issue_cert("127.0.0.1", "localhost"))

    def client(self, user: str, group: str) -> tuple[Path, Path]:
        """Certificate and key of a user; the organisation is the group.

        The host name says nothing about a user: without one, trustme writes an empty critical extension, which
        the API server refuses.
        """
        leaf = self.signer.issue_cert("localhost", common_name=user, organization_name=group)
        return self._write(user.replace(":", "-"), leaf)

    def _write(self, name: str, leaf: trustme.LeafCert) -> tuple[Path, Path]:
        paths = self.directory / f"{name}.pem", self.directory / f"{name}-key.pem"
        leaf.cert_chain_pems[0].write_to_path(paths[0])
        write_private(paths[1], leaf.private_key_pem.bytes())
        return paths

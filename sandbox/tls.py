"""A certificate authority for the sandbox, and one certificate for all its servers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM files: the authority that clients trust, and the servers' certificate and key."""

    ca: Path
    certificate: Path
    key: Path


def create(directory: Path) -> Certificates:
    """Create a new authority and a server certificate for 127.0.0.1 and localhost.

    The authority's key is not written. Only the owner can read the server's key.
    """
    directory.mkdir(parents=True, exist_ok=True)
    files = Certificates(directory / "ca.pem", directory / "server.pem", directory / "server-key.pem")
    authority = trustme.CA(organization_unit_name="apim-token-rotator sandbox")
    server = authority.issue_cert("127.0.0.1", "localhost")
    authority.cert_pem.write_to_path(files.ca)
    server.cert_chain_pems[0].write_to_path(files.certificate)
    write_private(files.key, server.private_key_pem.bytes())
    return files


def write_private(path: Path, pem: bytes) -> None:
    """Write a new file that only its owner can read; replace an existing one."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600, exist_ok=False)
    path.write_bytes(pem)

"""The control plane's own authority: server and client certificates, and the key that signs account tokens."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = ec.EllipticCurvePrivateKey
ADMINS = "system:masters"


@dataclass(frozen=True, slots=True)
class Authority:
    """Signs certificates into `directory`, as NAME.pem and NAME-key.pem."""

    directory: Path
    key: Key
    certificate: x509.Certificate

    @classmethod
    def create(cls, directory: Path) -> Authority:
        directory.mkdir(parents=True, exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("test plane CA")
        builder = _builder(name, name, key).add_extension(x509.BasicConstraints(True, None), critical=True)
        made = cls(directory, key, builder.sign(key, hashes.SHA256()))
        made.ca.write_bytes(made.certificate.public_bytes(serialization.Encoding.PEM))
        write_key(made.accounts_key, ec.generate_private_key(ec.SECP256R1()))
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
        names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
        alternatives = x509.SubjectAlternativeName(names)
        return self._issue("server", _name("kube-apiserver"), ExtendedKeyUsageOID.SERVER_AUTH, alternatives)

    def client(self, user: str, group: str = "") -> tuple[Path, Path]:
        """Certificate and key of a user; the organisation is the group."""
        return self._issue(user.replace(":", "-"), _name(user, group), ExtendedKeyUsageOID.CLIENT_AUTH)

    def _issue(
        self, file: str, subject: x509.Name, usage: x509.ObjectIdentifier,
        extra: x509.SubjectAlternativeName | None = None,
    ) -> tuple[Path, Path]:  # fmt: skip
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            _builder(subject, self.certificate.subject, key)
            .add_extension(x509.BasicConstraints(False, None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        )
        if extra:
            builder = builder.add_extension(extra, critical=False)
        paths = self.directory / f"{file}.pem", self.directory / f"{file}-key.pem"
        signed = builder.sign(self.key, hashes.SHA256())
        paths[0].write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        write_key(paths[1], key)
        return paths


def write_key(path: Path, key: Key) -> None:
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(pem)


def _builder(subject: x509.Name, issuer: x509.Name, key: Key) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=2))
    )


def _name(common: str, organisation: str = "") -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, common)]
    if organisation:
        parts.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation))
    return x509.Name(parts)

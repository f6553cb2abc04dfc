"""Authenticates deliveries by a shared secret, in a header or in the query string."""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl

from rotator.eventgrid.auth.result import AUTHENTICATED, NO_CREDENTIAL, AuthOutcome, AuthResult

log = logging.getLogger(__name__)

MIN_SECRET_LENGTH = 16
"""Characters of a secret."""
MAX_SECRETS = 16
"""Secrets in a file."""
MAX_FILE_BYTES = 65_536
"""Size of the file of secrets."""
MAX_PARAMETERS = 64
"""Parameters of a query string; one with more holds no secret."""
MAX_CANDIDATES = 4
"""Values of one request that are compared with the secrets."""

_Stamp = tuple[int, int, int, int]


@dataclass(slots=True)
class SecretFile:
    """The secrets of a file, one in each line that is not empty; only keyed digests of them are kept.

    Each request checks whether the file is another one (by inode, size and time, through symbolic links: that
    is how Kubernetes swaps a volume); if so it is read. A file that cannot be used leaves the last good
    secrets in force: replacing a file must not lock Event Grid out.
    """

    path: Path
    problem: str = field(default="it was not read yet", init=False)
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32), init=False, repr=False)
    _digests: tuple[bytes, ...] = field(default=(), init=False, repr=False)
    _stamp: _Stamp | None = field(default=None, init=False)

    def refresh(self) -> None:
        """Read the file if it changed. Never raises; `problem` says why if it cannot be used."""
        before = self.problem
        try:
            stamp = _stamp(self.path)
            if stamp == self._stamp:
                return
            self._digests = tuple(self._digest(s) for s in read_secrets(self.path))
            self._stamp, self.problem = stamp, ""
        except OSError as error:
            self._stamp, self.problem = None, f"it cannot be read ({error.strerror})"
        except ValueError as error:
            self._stamp, self.problem = None, str(error)
        if self.problem and self.problem != before:
            rest = "the last good secrets stay" if self._digests else "deliveries are put off"
            log.error("webhook.secret_file: %s; %s", self.problem, rest)
        elif not self.problem:
            log.info("webhook.secret_file was read", extra={"secrets": len(self._digests)})

    @property
    def loaded(self) -> bool:
        return bool(self._digests)

    def holds(self, candidates: list[bytes]) -> bool:
        """Whether one of them is a secret. Always compares all with all: the time taken tells nothing."""
        found = False
        for candidate in candidates:
            digest = self._digest(candidate)
            for known in self._digests:
                found |= hmac.compare_digest(digest, known)
        return found

    def _digest(self, value: bytes) -> bytes:
        """Digests have equal lengths for the comparison; this process's key makes them useless elsewhere."""
        return hmac.digest(self._key, value, hashlib.sha256)


def read_secrets(path: Path) -> list[bytes]:
    """Return the secrets of a file. Raises OSError, or ValueError with a sentence that quotes none."""
    with path.open("rb") as file:
        raw = file.read(MAX_FILE_BYTES + 1)
    if len(raw) > MAX_FILE_BYTES:
        raise ValueError("it is larger than 64 KiB")
    lines = [line.strip() for line in raw.removeprefix(b"\xef\xbb\xbf").splitlines()]
    found = [line for line in lines if line]
    if not found:
        raise ValueError("it holds no secret")
    if len(found) > MAX_SECRETS:
        raise ValueError(f"it holds more than {MAX_SECRETS} secrets")
    short = [n for n, line in enumerate(lines, 1) if 0 < len(line) < MIN_SECRET_LENGTH]
    if short:
        raise ValueError(f"line {short[0]} has less than {MIN_SECRET_LENGTH} characters")
    if any(not 0x21 <= byte <= 0x7E for line in found for byte in line):
        raise ValueError("a secret has a blank in it, or a character that is not plain ASCII")
    return found


def _stamp(path: Path) -> _Stamp:
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


@dataclass(frozen=True, slots=True)
class SharedSecret:
    """header: in lower case. query: empty if a secret in the query string does not count."""

    file: SecretFile
    header: str
    query: str

    def authenticate(self, headers: list[tuple[bytes, bytes]], query_string: bytes) -> AuthResult:
        """Return what the request's secret proves. headers: names in lower case, as in ASGI."""
        presented = self._presented(headers, query_string)
        self.file.refresh()
        if not presented:
            return NO_CREDENTIAL
        if not self.file.loaded:
            return AuthResult(AuthOutcome.UNDECIDED, "the file of secrets cannot be used", 30)
        return (
            AUTHENTICATED if self.file.holds(presented) else AuthResult(AuthOutcome.INVALID, "a wrong secret")
        )

    def _presented(self, headers: list[tuple[bytes, bytes]], query_string: bytes) -> list[bytes]:
        name = self.header.encode()
        found = [value.strip() for key, value in headers if key == name]
        if self.query:
            found += [value.encode() for key, value in _parameters(query_string) if key == self.query]
        return [value for value in found if value][:MAX_CANDIDATES]


def _parameters(query_string: bytes) -> list[tuple[str, str]]:
    # A plus stays a plus: secrets are often base64, pasted into an address unquoted, and have no blanks.
    text = query_string.decode("latin-1").replace("+", "%2B")
    try:
        return parse_qsl(text, max_num_fields=MAX_PARAMETERS, errors="replace")
    except ValueError:
        return []

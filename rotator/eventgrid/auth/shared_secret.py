"""Deliveries that prove themselves by a secret, in a header or in the query string."""

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

SHORTEST = 16
MOST = 16
LARGEST_FILE = 65_536
MOST_PARAMETERS = 64
MOST_CANDIDATES = 4

_Stamp = tuple[int, int, int, int]


@dataclass(slots=True)
class SecretFile:
    """The secrets of a file, one in each line that is not empty; only keyed digests of them are kept.

    The file is looked at on each request and read when it is another one (by inode, size and times, through
    symbolic links: that is how Kubernetes swaps a volume). One that cannot be used leaves the last good
    secrets in force: replacing a file must never shut the door.
    """

    path: Path
    problem: str = field(default="it was not read yet", init=False)
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32), init=False, repr=False)
    _digests: tuple[bytes, ...] = field(default=(), init=False, repr=False)
    _stamp: _Stamp | None = field(default=None, init=False)

    def refresh(self) -> None:
        """Read the file if it changed. Never raises; `problem` is a sentence if it cannot be used."""
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
        """Whether one of them is a secret. Compares all with all, whatever is found on the way."""
        found = False
        for candidate in candidates:
            digest = self._digest(candidate)
            for known in self._digests:
                found |= hmac.compare_digest(digest, known)
        return found

    def _digest(self, value: bytes) -> bytes:
        """Equal lengths for the comparison; the key of this process makes the digests useless elsewhere."""
        return hmac.digest(self._key, value, hashlib.sha256)


def read_secrets(path: Path) -> list[bytes]:
    """Return the secrets of a file. Raises OSError, or ValueError with a sentence that quotes none."""
    with path.open("rb") as file:
        raw = file.read(LARGEST_FILE + 1)
    if len(raw) > LARGEST_FILE:
        raise ValueError("it is larger than 64 KiB")
    lines = [line.strip() for line in raw.removeprefix(b"\xef\xbb\xbf").splitlines()]
    found = [line for line in lines if line]
    if not found:
        raise ValueError("it holds no secret")
    if len(found) > MOST:
        raise ValueError(f"it holds more than {MOST} secrets")
    short = [n for n, line in enumerate(lines, 1) if 0 < len(line) < SHORTEST]
    if short:
        raise ValueError(f"line {short[0]} has less than {SHORTEST} characters")
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
        """Return what the request's secret says of it; headers with names in lower case, as in ASGI."""
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
        return [value for value in found if value][:MOST_CANDIDATES]


def _parameters(query_string: bytes) -> list[tuple[str, str]]:
    # A plus is a plus: secrets are often base64, pasted into an address as they are, and have no blanks.
    text = query_string.decode("latin-1").replace("+", "%2B")
    try:
        return parse_qsl(text, max_num_fields=MOST_PARAMETERS, errors="replace")
    except ValueError:
        return []

"""What all tables of the configuration file have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field


class Table(BaseModel):
    """A table of the file. Error messages propose the `examples` of a field, which are TOML text."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _https(url: str) -> str:
    wrong = ValueError('must be a plain https address. Write "https://<host>", without user, query or #')
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise wrong from None
    if parts.scheme != "https" or not parts.hostname or port == 0 or any(c in url for c in "@?# "):
        raise wrong
    return url.rstrip("/")


def _path(written: object) -> object:
    if written == "":
        raise ValueError("must not be empty. Write the path of a file, or leave the line out")
    return written


HttpsUrl = Annotated[str, AfterValidator(_https)]
FilePath = Annotated[Path, BeforeValidator(_path), Field(strict=False)]

"""Whether it is a good time for a restart that can wait."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Hours:
    """open: work that can wait may be done now. turns_at: when to ask again (UTC); None: nobody knows.

    why: what is closed, as people say it; empty while it is open.
    """

    open: bool = True
    turns_at: datetime | None = None
    why: str = ""


ALWAYS = Hours()

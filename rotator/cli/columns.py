"""The columns of `rotator status`, for the table, `--help` and docs/cli.md."""

from __future__ import annotations

import textwrap

COLUMNS = {
    "GATEWAY": "its name; if it has several Secrets, each has a row below it",
    "STATE": "Settled: everything is proven. → Issue and the like: the next step, which the service or "
    "rotate-now takes. The sentences under the table explain every state but Settled",
    "TOKEN": "the fingerprint of the token that the Secret holds now, from any writer",
    "KEY": "the key that signed it; dead: that key was regenerated since; -: not known",
    "EXPIRES": "when it ends (UTC); of several, the first",
    "LEFT": "how long it is until then",
    "RENEWS IN": "how long it is until a new one is issued, or tried again after a roll-back; "
    "due: as soon as it may",
    "PODS": "how many pods work and are known to have started with this token, of how many. "
    "~2/2: assumed, because the token was in place before the rotator. "
    "?/2: not known, because another writer put it there",
}
_NAME = max(map(len, COLUMNS)) + 2
_WIDTH = 76
"""Width of the paragraph in characters: what a terminal of 80 columns shows of a help page."""


def explained() -> str:
    """Return a paragraph that keeps its lines, one or more for each column."""
    lines = ["\b"]  # so click knows that they are not to be filled
    for name, text in COLUMNS.items():
        head, *more = textwrap.wrap(text, _WIDTH - _NAME)
        lines += [f"{name:{_NAME}}{head}", *(" " * _NAME + line for line in more)]
    return "\n".join(lines)

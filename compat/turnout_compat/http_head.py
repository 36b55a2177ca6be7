"""A check for the head of a request, where a server's own parser lets malformed lines through.

It stands between the parser and what that reads lines from, and remembers what was wrong.
"""

from __future__ import annotations

import re
from typing import Final, Protocol

__all__ = ["END_OF_HEAD", "CheckedLines", "Lines"]

# RFC 9112 section 5, with the folded lines of section 5.2 that a server may unfold.
FIELD_LINE: Final = re.compile(
    rb"(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:|[ \t])[^\x00-\x08\x0a-\x1f\x7f]*\r?\n"
)
END_OF_HEAD: Final = (b"\r\n", b"\n")


class Lines(Protocol):
    """What the head is read from."""

    def readline(self, limit: int = -1, /) -> bytes:
        """Return the next line; an empty one at the end."""
        ...  # a body that returns nothing would be an error to pyright


class CheckedLines:
    """Hands lines on and remembers the first that is wrong."""

    def __init__(self, source: Lines) -> None:
        self._source = source
        self.objection = ""
        self.has_ended = False
        """True when the stream ended before the head."""

    def readline(self, limit: int = -1) -> bytes:
        """Return the next line."""
        line = self._source.readline(limit)
        if not line:
            self.has_ended = True
            self.objection = "the head is incomplete"
        elif line not in END_OF_HEAD and not FIELD_LINE.fullmatch(line):
            self.objection = self.objection or f"malformed line {line[:80]!r}"
        return line

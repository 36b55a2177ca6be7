"""The head of a request, which pywsgi leaves to `http.client` and `email`: both let much through.

Up to gevent 26.9.0, and what this does instead:

- A head that ends with the connection, wherever, is a request (RFC 9112 section 8: 400).
- A bare CR within a line begins another line, so a value may smuggle a field; what follows a line
  without a colon is lost; a name may end with a space or be empty, a value hold a zero (400).
- More than a hundred fields are answered with 400, and with a traceback in the log.
"""

from __future__ import annotations

import re
from http.client import HTTPException
from typing import Any, Final, Protocol

from gevent.pywsgi import headers_factory

__all__ = ["strict_headers"]

# RFC 9112 section 5, with the folded lines of section 5.2 that a server may unfold.
FIELD_LINE: Final = re.compile(
    rb"(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:|[ \t])[^\x00-\x08\x0a-\x1f\x7f]*\r?\n"
)
END_OF_HEAD: Final = (b"\r\n", b"\n")


class Lines(Protocol):
    """What the head is read from."""

    def readline(self, limit: int = -1, /) -> bytes:
        """Return the next line; an empty one at the end."""


class _CheckedLines:
    """Hands lines on and remembers the first that is wrong."""

    def __init__(self, source: Lines) -> None:
        self._source = source
        self.objection = ""

    def readline(self, limit: int = -1) -> bytes:
        """Return the next line."""
        line = self._source.readline(limit)
        if not line:
            self.objection = "the head is incomplete"
        elif line not in END_OF_HEAD and not FIELD_LINE.fullmatch(line):
            self.objection = self.objection or f"malformed line {line[:80]!r}"
        return line


def strict_headers(source: Lines, *args: Any) -> Any:
    """Return the fields as pywsgi has them; with a `status` that says what is wrong if it is."""
    lines = _CheckedLines(source)
    try:
        headers = headers_factory(lines, *args)
    except HTTPException as error:
        lines.objection = str(error)
        headers = headers_factory(_NoLines())
    if lines.objection and not headers.status:
        headers.status = lines.objection
    return headers


class _NoLines:
    """A head without fields."""

    def readline(self, limit: int = -1) -> bytes:
        """Return the line that ends a head."""
        return END_OF_HEAD[0]

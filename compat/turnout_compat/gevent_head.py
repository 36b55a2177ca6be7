"""The head of a request, which pywsgi leaves to `http.client` and `email`: both let much through.

Up to gevent 26.9.0, and what this does instead:

- A head that ends with the connection, wherever, is a request (RFC 9112 section 8: 400).
- A bare CR within a line begins another line, so a value may smuggle a field; what follows a line
  without a colon is lost; a name may end with a space or be empty, a value hold a zero (400).
- More than a hundred fields are answered with 400, and with a traceback in the log.
"""

from __future__ import annotations

from http.client import HTTPException
from typing import Any, cast

from gevent import pywsgi

from turnout_compat.http_head import END_OF_HEAD, CheckedLines, Lines

__all__ = ["strict_headers"]

headers_factory: Any = cast("Any", pywsgi).headers_factory  # gevent's stubs leave it out


def strict_headers(source: Lines, *args: Any) -> Any:
    """Return the fields as pywsgi has them; with a `status` that says what is wrong if it is."""
    lines = CheckedLines(source)
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

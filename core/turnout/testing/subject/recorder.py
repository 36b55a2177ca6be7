"""What the test subject tells the suite about its own side: one JSON object a line, on a pipe.

The pipe does not pass through the server under test, so that a fault in its HTTP side fails the
tests of its HTTP side and no others. `os.write` up to PIPE_BUF bytes is atomic and may be called
from any thread, greenlet or event loop; the suite always reads.
"""

from __future__ import annotations

import json
import os
from typing import Any
from urllib.parse import parse_qs, urlsplit

from turnout.testing.agreed import EVENTS_VARIABLE

__all__ = ["record", "token_of"]


def token_of(uri: str) -> str:
    """Return the `token` query parameter by which a test knows its connection again."""
    return parse_qs(urlsplit(uri).query).get("token", [""])[0]


def record(uri: str, event: str, **facts: Any) -> None:
    """Report `event` of the connection that was asked for with `uri`; nothing without a suite."""
    descriptor = os.environ.get(EVENTS_VARIABLE)
    if descriptor is None:
        return
    line = json.dumps({"token": token_of(uri), "event": event, **facts}) + "\n"
    if len(line) > 4096:
        raise ValueError(f"the event {event!r} is too long to be written at once")
    os.write(int(descriptor), line.encode())

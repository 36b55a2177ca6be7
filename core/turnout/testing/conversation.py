"""What was said between the client of a test, the server and the handler: for whoever reads why.

The raw client notes what it sends and reads; nothing is kept unless a test is being recorded.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from turnout.testing.expectations import quote
from turnout.testing.frames import describe_frames

__all__ = ["Conversation", "Line", "Recording", "recording"]

Line: TypeAlias = tuple[str, str]
"""Who, and what: `("server", "a text frame of 5 bytes: 'hello'")`."""

KEPT = 512
"""How many bytes of one write are kept."""
FIRST, LAST = 6, 14
"""How many notes of a connection are kept, from its beginning and from its end."""
REQUEST = re.compile(rb"[A-Z]+ \S+ HTTP/1\.[01]\r\n")

USUAL = re.compile(
    r"Upgrade: websocket|Connection: Upgrade|Sec-WebSocket-Version: 13"
    r"|Sec-WebSocket-Key: [A-Za-z0-9+/]{22}=="
)


@dataclass(slots=True)
class _Note:
    at: float
    who: str
    what: Any
    size: int = 0
    """Of what was sent, all bytes: `what` holds the first of them only."""

    def lines(self) -> Iterator[str]:
        if not isinstance(self.what, bytearray):
            yield str(self.what)
            return
        data = bytes(self.what)
        if self.size > len(data):
            yield f"{self.size} bytes: {next(_describe_sent(data))} …"
        else:
            yield from _describe_sent(data)


def _describe_sent(data: bytes) -> Iterator[str]:
    if REQUEST.match(data):
        head, _, body = data.partition(b"\r\n\r\n")
        yield _describe_request(*head.decode("latin-1").split("\r\n"))
        if body:
            yield f"{len(body)} bytes of what follows the request: {quote(body)}"
    elif data[:1].isalpha() or data[:1].isdigit():
        yield f"{len(data)} bytes: {quote(data)}"
    else:
        yield from describe_frames(data, from_client=True)


def _describe_request(line: str, *fields: str) -> str:
    told = [field for field in fields if not field.startswith("Host: ")]
    usual = [field for field in told if USUAL.fullmatch(field)]
    if len(usual) != 4:
        return "; ".join([line, *told])
    return "; ".join([f"{line}, an opening handshake", *(one for one in told if one not in usual)])


class Conversation:
    """One connection's, bounded: the first notes and the last ones."""

    def __init__(self) -> None:
        self._first: list[_Note] = []
        self._last: deque[_Note] = deque(maxlen=LAST)
        self._left_out = 0

    def sent(self, data: bytes) -> None:
        """Note what the client sends; what follows on a small write is one note with it."""
        last = self._newest()
        if last is not None and last.who == "client" and last.size + len(data) <= KEPT:
            last.what += data
            last.size += len(data)
        else:
            self._note("client", bytearray(data[:KEPT]), len(data))

    def received(self, what: object) -> None:
        """Note what the client has read, or what it met instead; `str` of it tells."""
        self._note("server", what)

    def notes(self) -> Iterator[tuple[float, str, str]]:
        """Yield when, who and what."""
        for note in self._first:
            yield from ((note.at, note.who, line) for line in note.lines())
        if self._left_out:
            yield self._last[0].at, "…", f"{self._left_out} more, left out here"
        for note in self._last:
            yield from ((note.at, note.who, line) for line in note.lines())

    def _newest(self) -> _Note | None:
        return self._last[-1] if self._last else self._first[-1] if self._first else None

    def _note(self, who: str, what: Any, size: int = 0) -> None:
        note = _Note(time.monotonic(), who, what, size)
        if len(self._first) < FIRST:
            self._first.append(note)
            return
        self._left_out += len(self._last) == LAST
        self._last.append(note)


@dataclass(slots=True)
class Recording:
    """The conversations of one test, and the events that its handlers have reported."""

    conversations: list[Conversation] = field(default_factory=list)
    servers: list[Any] = field(default_factory=list)
    """Those that the test has started itself."""

    def lines(self, events: list[tuple[float, dict[str, Any]]]) -> list[Line]:
        """Return everything in the order in which it happened."""
        several = len(self.conversations) > 1
        notes = [
            (at, f"{who} {number}" if several and who != "…" else who, what)
            for number, one in enumerate(self.conversations, 1)
            for at, who, what in one.notes()
        ]
        said = " ".join(what for _, _, what in notes)
        notes += [
            (at, "handler", _describe_event(event))
            for at, event in events
            if event["token"] and event["token"] in said  # another test's handler may still end
        ]
        return [(who, what) for _, who, what in sorted(notes, key=lambda note: note[0])]


def _describe_event(event: dict[str, Any]) -> str:
    facts = [f"{name} {value!r}" for name, value in event.items() if name not in ("token", "event")]
    return ", ".join([event["event"], *facts])


recording: ContextVar[Recording | None] = ContextVar("recording", default=None)
"""The test that is being recorded, if one is."""

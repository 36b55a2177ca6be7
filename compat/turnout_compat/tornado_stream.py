"""What an `IOStream` of Tornado does while nobody reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tornado.iostream import IOStream

__all__ = ["read_ahead_once"]


def read_ahead_once(stream: IOStream) -> None:
    """Let an idle stream read once and then wait for its reader.

    A stream that has read the head of a request keeps that read's limit, and as long as nobody
    reads it goes on up to there: past the peer's end, at which it closes, with frames unread that
    can no longer be answered.
    """
    idle: Any = stream
    idle._read_max_bytes = None  # noqa: SLF001  # there is no public way to it

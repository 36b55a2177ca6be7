"""The body of a request, as Tornado reads it and as a handler asks for it."""

from __future__ import annotations

import asyncio
from collections import deque

from turnout.close import NO_CLOSE_FRAME
from turnout.errors import BodyTooLargeError, ConnectionClosed

__all__ = ["RequestBody"]

READ_AHEAD = 64 * 1024
"""How much may wait unread before Tornado is held back."""
DISCARD_LIMIT = 1024 * 1024
"""How much unread body is read away, so that the connection can be kept."""
DISCARD_SECONDS = 2.0


class RequestBody:
    """Pieces that Tornado feeds and that a handler takes; Tornado waits while enough are here."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        # Most requests have no body, and an empty deque takes 760 bytes.
        self._pieces: deque[bytes] | None = None
        self._size = 0
        self._lost = False
        self._readable: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self.ended = False
        """True once Tornado has read all of it."""

    # What Tornado calls, through the delegate

    def feed(self, piece: bytes) -> asyncio.Future[None] | None:
        """Add a piece; return what Tornado has to wait for before it reads the next."""
        if self._pieces is None:
            self._pieces = deque()
        self._pieces.append(piece)
        self._size += len(piece)
        self._wake(self._readable)
        if self._size <= READ_AHEAD or self._lost:
            return None
        self._writable = self._loop.create_future()
        return self._writable

    def end(self) -> None:
        """Note that this is all."""
        self.ended = True
        self._wake(self._readable)

    def lose(self) -> None:
        """Note that the client has gone, and let Tornado find out too."""
        self._lost = True
        self._wake(self._readable)
        self._wake(self._writable)

    # What a handler calls, through the request

    async def read(self, limit: int) -> bytes:
        """Return all of it; raise `BodyTooLargeError` once there is more than `limit` bytes."""
        body = bytearray()
        while (piece := await self._next()) is not None:
            body += piece
            if len(body) > limit:
                raise BodyTooLargeError(f"the body has more than {limit} bytes")
        return bytes(body)

    async def discard(self) -> None:
        """Read away what nobody has read, within bounds.

        A socket that is closed with unread input resets the connection, and the client may lose
        the answer (RFC 9112 section 9.6).
        """
        discarded = 0
        try:
            async with asyncio.timeout(DISCARD_SECONDS):
                while discarded <= DISCARD_LIMIT and (piece := await self._next()) is not None:
                    discarded += len(piece)
        except TimeoutError:
            return  # the client is too slow: the connection will not be kept

    async def _next(self) -> bytes | None:
        while not self._pieces:
            if self.ended:
                return None
            if self._lost:
                raise ConnectionClosed(NO_CLOSE_FRAME)
            self._readable = self._loop.create_future()
            await self._readable
        piece = self._pieces.popleft()
        self._size -= len(piece)
        if self._size <= READ_AHEAD:
            self._wake(self._writable)
        return piece

    @staticmethod
    def _wake(future: asyncio.Future[None] | None) -> None:
        if future is not None and not future.done():
            future.set_result(None)

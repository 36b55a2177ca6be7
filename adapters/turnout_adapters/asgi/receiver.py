"""The events of one scope, read by one reader for all who wait for them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from turnout.close import NO_CLOSE_FRAME
from turnout.errors import BodyTooLargeError, ConnectionClosed, UsageError

if TYPE_CHECKING:
    from turnout_adapters.asgi.types import Event, Receive, Scope

__all__ = ["Receiver"]

READ_AHEAD = 64 * 1024
"""How much of a body may wait unread while only the client's going is waited for."""


class Receiver:
    """Reads a request's body, and learns when its client has gone.

    Once the handshake is over, a connection calls `receive` by itself.
    """

    def __init__(self, receive: Receive) -> None:
        self.receive: Receive = receive
        self.gone: bool = False
        self._body: list[bytes] = []
        self._ended = False
        self._released = False
        self._watch: asyncio.Task[None] | None = None
        self._went: asyncio.Event | None = None  # made for the first that waits for it

    @classmethod
    def unused(cls) -> Self:
        """Return one for a request that is only looked at."""
        return cls(_receive_nothing)

    async def begin(self, scope: Scope) -> None:
        """Take the event that begins a WebSocket scope, whose request has no body."""
        if scope["type"] == "websocket":
            self._ended = True
            self._take(await self.receive())

    async def read_body(self, limit: int) -> bytes:
        """Return the whole body; raise `BodyTooLargeError` as soon as it is past `limit` bytes."""
        await self._stop_watching()
        body = bytearray()
        while True:
            body += b"".join(self._body)
            self._body.clear()
            if len(body) > limit:
                raise BodyTooLargeError(f"the body has more than {limit} bytes")
            if self._ended:
                return bytes(body)
            if self.gone:
                raise ConnectionClosed(NO_CLOSE_FRAME)
            self._take(await self.receive())

    def watch(self) -> None:
        """Go on reading in the background, to learn when the client goes."""
        if self._watch is None and not (self.gone or self._released):
            self._watch = asyncio.get_running_loop().create_task(self._read_on())

    async def wait_gone(self) -> None:
        """Return when the client has gone, or the scope is over."""
        self.watch()
        if self._went is None:
            self._went = asyncio.Event()
        if not self.gone:
            await self._went.wait()

    async def release(self) -> None:
        """Read no more, whoever asks; the scope is over, or somebody else reads."""
        self._released = True
        await self._stop_watching()

    def forget(self) -> None:
        """Refer to nothing of the host's, which may keep a connection open for that.

        The scope is over: who waits for the client to go, need not wait any more.
        """
        self.receive = _receive_nothing
        self.gone = True
        if self._went is not None:
            self._went.set()

    async def _read_on(self) -> None:
        while not self.gone and sum(map(len, self._body)) <= READ_AHEAD:
            self._take(await self.receive())

    async def _stop_watching(self) -> None:
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.cancel()
            await asyncio.wait([watch])

    def _take(self, event: Event) -> None:
        kind = event["type"]
        if kind == "http.request":
            self._body.append(event.get("body", b""))
            self._ended = not event.get("more_body", False)
        elif kind in {"http.disconnect", "websocket.disconnect"}:
            self.gone = True
            if self._went is not None:
                self._went.set()


async def _receive_nothing() -> Event:
    raise UsageError("this request is only looked at")

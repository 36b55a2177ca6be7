"""HTTP/1.1 on one connection: h11 parses, one task answers at a time.

Whose server it is says what a request meets (`answer`) and what follows on its answer
(`next_request`): the standard engine serves a registry, the driver inside uvicorn an ASGI
application.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from abc import abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Coroutine
from functools import cached_property
from typing import Any, cast

import h11

from turnout.close import NO_CLOSE_FRAME
from turnout.errors import ConnectionClosed
from turnout_adapters.wsproto.views import PHRASES
from turnout_compat.asyncio_transport import end_output

__all__ = ["HttpExchange"]

log = logging.getLogger("turnout.wsproto")

READ_AHEAD = 64 * 1024
"""How much of a body, or of a next request, may wait before reading stops."""
LINGER = 2.0
"""Seconds for a client that is still sending to read its answer before the connection is closed."""


class HttpExchange(asyncio.Protocol):
    """One connection until it ends, or until it becomes a WebSocket and leaves.

    `lost` is done when the client has gone.
    """

    transport: asyncio.Transport

    def __init__(self, loop: asyncio.AbstractEventLoop, max_header_size: int) -> None:
        self._loop = loop
        self._max_header_size = max_header_size
        self._body_size = 0
        self._body_ended = False
        self._readable: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._stopping = False
        self._malformed = False
        self._ending = False
        self.expects_body = True
        """False for the answer to HEAD."""
        self.lost: asyncio.Future[None] = self._loop.create_future()
        self.task: asyncio.Task[None] | None = None

    @cached_property
    def _h11(self) -> h11.Connection:
        return self.parser()

    @cached_property
    def _body(self) -> deque[bytes]:
        return deque()

    def parser(self) -> h11.Connection:
        """Return a fresh h11 for this connection."""
        return h11.Connection(h11.SERVER, max_incomplete_event_size=self._max_header_size)

    def start(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run the answer to a request."""
        return self._loop.create_task(coroutine)

    @abstractmethod
    async def answer(self, event: h11.Request) -> None:
        """Answer a request; raise `ConnectionClosed` when the client has gone meanwhile."""

    def next_request(self) -> None:
        """Take another request on this connection."""
        self._h11.start_next_cycle()
        self._body.clear()
        self._body_size = 0
        self._advance()

    # asyncio's calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note where to write."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Parse what came, unless nobody wants it any more."""
        if self._malformed or self._ending:
            return
        self._h11.receive_data(data)
        self._advance()

    def eof_received(self) -> None:
        """Let asyncio close: a client that ends its half has gone."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the request that runs."""
        self._stop_timer()
        if not self.lost.done():
            self.lost.set_result(None)
        self._wake_reader()
        self.resume_writing()

    def pause_writing(self) -> None:
        """Hold `writable` back."""
        self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        """Let `writable` go on."""
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    # Requests

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _advance(self) -> None:
        """Take what h11 has parsed: a request begins, its body goes on, or the peer erred."""
        try:
            while True:
                event = self._h11.next_event()
                if event is h11.NEED_DATA or event is h11.PAUSED:
                    break
                self._take(cast("h11.Event", event))
        except h11.RemoteProtocolError as error:
            self._fail(error.error_status_hint, b"The request is malformed.")
            return
        self._hold_back()

    def _take(self, event: h11.Event) -> None:
        if isinstance(event, h11.Request):
            _check_size(event, self._max_header_size)
            _check_framing(event)
            self._stop_timer()
            self._body_ended = False
            self.expects_body = event.method != b"HEAD"
            self.task = self.start(self._run(self.answer(event)))
        elif isinstance(event, h11.Data):
            self._body.append(bytes(event.data))
            self._body_size += len(event.data)
            self._wake_reader()
        elif isinstance(event, h11.EndOfMessage):
            self._body_ended = True
            self._wake_reader()
        elif isinstance(event, h11.ConnectionClosed):
            self.transport.close()

    def _hold_back(self) -> None:
        """Stop reading while a body, or a next request, waits unread."""
        if self._body_size + len(self._h11.trailing_data[0]) > READ_AHEAD and self.task is not None:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    async def _run(self, answer: Coroutine[Any, Any, None]) -> None:
        try:
            await answer
        except ConnectionClosed:
            self.transport.abort()  # the client went; there is nobody to tell
        except Exception:
            log.exception("a request could not be answered")
            self.transport.abort()
        except BaseException:  # cancelled: nobody will answer any more
            self.transport.abort()
            raise
        else:
            self._answered()

    def _answered(self) -> None:
        """Keep the connection, where both sides can, for another request."""
        self.task = None
        ours, theirs = self._h11.our_state, self._h11.their_state
        if ours is h11.SWITCHED_PROTOCOL or self.gone:
            return
        if ours is h11.SEND_BODY:
            log.error("a handler did not finish its response; the connection is cut")
        if ours is not h11.DONE or theirs is not h11.DONE or self._stopping:
            self._end()
            return
        self.next_request()

    def _fail(self, status: int, sentence: bytes) -> None:
        """Answer a request that is none, and end; one that is being answered comes first."""
        if self.task is not None:
            self._malformed = True
            self._wake_reader()
            return
        if self._h11.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            headers = [
                (b"Content-Type", b"text/plain"),
                (b"Content-Length", b"%d" % len(sentence)),
                (b"Connection", b"close"),
            ]
            reason = PHRASES.get(status, b"")
            with contextlib.suppress(h11.LocalProtocolError):  # the peer's error came too late
                self.send(h11.Response(status_code=status, headers=headers, reason=reason))
                self.send(h11.Data(data=sentence))
                self.send(h11.EndOfMessage())
        self._end()

    def _end(self) -> None:
        """Close when the client has read its answer.

        A socket that is closed with unread input makes the kernel send RST, and the answer may be
        lost: so a client that is still sending is told the end first, and heard out for a while.
        """
        self._stop_timer()
        theirs = self._h11.their_state
        if theirs not in {h11.SEND_BODY, h11.ERROR}:
            self.transport.close()
        elif not self.gone:
            self._ending = True
            end_output(self.transport)
            self.transport.resume_reading()
            self._timer = self._loop.call_later(LINGER, self.transport.close)

    # What the views call

    @property
    def gone(self) -> bool:
        """True when nothing more can be written; known before `lost` is."""
        return self._ending or self.lost.done() or self.transport.is_closing()

    @property
    def is_last(self) -> bool:
        """True when no request can follow the one that is being answered.

        A client that waits for 100 and gets a refusal may send its body or not: nobody knows what
        its next bytes are.
        """
        waits = bool(self._h11.they_are_waiting_for_100_continue)
        return self._stopping or self._malformed or waits

    async def body(self) -> AsyncIterator[bytes]:
        """Yield the body of the request as it comes; raise `ConnectionClosed` if it does not."""
        if self._h11.they_are_waiting_for_100_continue and not (self._malformed or self.gone):
            self.send(h11.InformationalResponse(status_code=100, headers=[]))
        while True:
            while self._body:
                piece = self._body.popleft()
                self._body_size -= len(piece)
                self._hold_back()
                yield piece
            if self._body_ended:
                return
            if self._malformed or self.gone:
                raise ConnectionClosed(NO_CLOSE_FRAME)
            readable = self._readable = self._loop.create_future()
            await readable

    def send(self, event: h11.Event) -> None:
        """Write what h11 makes of an event."""
        data = self._h11.send(event)
        if data:
            self.transport.write(data)

    async def writable(self) -> None:
        """Return when the transport takes more; raise `ConnectionClosed` if it never will."""
        if self._writable is not None:
            await self._writable
        if self.gone:
            raise ConnectionClosed(NO_CLOSE_FRAME)

    def switch(self, headers: list[tuple[str, str]]) -> tuple[asyncio.Transport, bytes]:
        """Send the 101 and leave; return the transport and what came after the request."""
        if self.gone:
            raise ConnectionClosed(NO_CLOSE_FRAME)
        encoded = [(n.encode("ascii"), v.encode("latin-1")) for n, v in headers]
        self.send(
            h11.InformationalResponse(
                status_code=101, headers=encoded, reason=b"Switching Protocols"
            )
        )
        self.transport.resume_reading()  # frames may have come with the request, and been too many
        return self.transport, self._h11.trailing_data[0]

    def _wake_reader(self) -> None:
        if self._readable is not None and not self._readable.done():
            self._readable.set_result(None)


def _check_size(request: h11.Request, limit: int) -> None:
    """Refuse a head over the limit that came in one piece: h11 counts incomplete ones only."""
    fields = sum(len(name) + len(value) for name, value in request.headers)
    if fields + len(request.target) > limit:
        raise h11.RemoteProtocolError("the head is too large", error_status_hint=431)


def _check_framing(request: h11.Request) -> None:
    """Refuse a body with two lengths: a proxy in front may have understood the other one."""
    names = {name for name, _ in request.headers}
    if b"content-length" in names and b"transfer-encoding" in names:
        raise h11.RemoteProtocolError("two lengths of one body", error_status_hint=400)

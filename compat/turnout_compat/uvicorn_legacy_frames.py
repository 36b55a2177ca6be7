"""What uvicorn's protocol over the legacy server of websockets lacks, put around it from outside.

It knows one limit for all handlers, shows no control frames, and its close waits for the peer's.
"""

from __future__ import annotations

import asyncio
import warnings
from typing import TYPE_CHECKING, Any

from websockets.exceptions import ConnectionClosed
from websockets.frames import CLOSE
from websockets.protocol import State

from turnout.close import NO_STATUS_CODE
from turnout_compat.asgi_frames import Event, Frames, GuardedInput, found_by_host, offer_frames

with warnings.catch_warnings():  # that it is deprecated; who names this strategy has been told
    warnings.filterwarnings("ignore", ".*implementation is deprecated")
    from uvicorn.protocols.websockets.websockets_impl import WebSocketProtocol

if TYPE_CHECKING:
    from turnout.options import WebSocketOptions
    from turnout_compat.asgi_frames import FramedConnection

__all__ = ["GuardedLegacyProtocol"]

FAILURES = frozenset((1002, 1007, 1009))
"""Codes by which websockets fails a connection on its own."""


class LegacyFrames(Frames):
    """The connection of the protocol below."""

    def __init__(self, protocol: GuardedLegacyProtocol) -> None:
        self._protocol = protocol

    def begin(self, options: WebSocketOptions, connection: FramedConnection) -> None:
        """Guard what the peer sends, and leave the time for its close frame to the session."""
        self._protocol.close_timeout = options.close_timeout + 1
        self._protocol.begin(options, connection)

    async def ping(self, payload: bytes) -> None:
        """Send a ping; the guard sees its pong."""
        pong: Any = await self._protocol.ping(payload)
        pong.cancel()

    async def pong(self, payload: bytes) -> None:
        """Send a pong."""
        await self._protocol.pong(payload)

    async def end(self) -> None:
        """End the connection at once behind both close frames; else websockets does, later."""
        if self._protocol.is_closed_by_peer:
            self._protocol.transport.close()

    def abort(self) -> None:
        """Cut the connection."""
        self._protocol.transport.abort()


class GuardedLegacyProtocol(WebSocketProtocol):
    """uvicorn's protocol over the legacy server of websockets, with a guard in front."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.is_closed_by_peer = False
        self._input = GuardedInput(keeps_close=True)
        self._delivered = 0
        self._peer_close: Event | None = None
        self._is_request = True
        self._begun = False
        self._closing = False
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._running: set[asyncio.Task[Any]] = set()

    # asyncio's calls

    def data_received(self, data: bytes) -> None:
        """Take the request, then what the guard lets through."""
        if self._is_request:
            self._is_request = False
            super().data_received(data)
        else:
            self._receive(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the application, behind what came before."""
        super().connection_lost(exc)
        if self._begun:
            self._run(self._tell_lost())

    def pause_writing(self) -> None:
        """Note that pings are not answered for now."""
        self._input.writing_paused = True
        super().pause_writing()

    def resume_writing(self) -> None:
        """Answer the latest ping."""
        super().resume_writing()
        ping = self._input.resume()
        if ping:
            super().data_received(ping)

    # The application's calls

    async def run_asgi(self) -> None:
        """Run the application."""
        offer_frames(self.scope, LegacyFrames(self))
        await super().run_asgi()

    async def asgi_receive(self) -> Any:
        """Return the next event; the peer may send more when it is taken."""
        if not self._begun:
            return await super().asgi_receive()
        event = await self._events.get()
        self._events.task_done()
        return event

    async def asgi_send(self, message: Any) -> None:
        """Do what the application asks; nothing waits for the peer's close frame here."""
        if not self._begun or message["type"] != "websocket.close":
            await super().asgi_send(message)
        elif self._input.failed:
            self._closing = True
            self.fail_connection(message["code"], message["reason"])
        else:
            self._closing = True
            self._run(self.close(message["code"], message["reason"]))

    def begin(self, options: WebSocketOptions, connection: FramedConnection) -> None:
        """Guard from now on."""
        self._begun = True
        self._input.begin(options, connection)
        self._pump = self._run(self._pass_messages_on())
        self._receive(b"")

    # In between

    def _run(self, coroutine: Any) -> asyncio.Task[Any]:
        task = self.loop.create_task(coroutine)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    def _receive(self, data: bytes) -> None:
        for one in self._input.receive(data):
            if isinstance(one, bytes):
                super().data_received(one)
            elif one["type"] == "turnout.closing":
                self._peer_close = one
                self._take_close()
            else:
                self._events.put_nowait(one)

    async def _pass_messages_on(self) -> None:
        """Pass message after message on, each when the application has taken the last."""
        try:
            while True:
                data = await self.recv()
                kind = "text" if isinstance(data, str) else "bytes"
                self._events.put_nowait({"type": "websocket.receive", kind: data})
                self._delivered += 1
                self._take_close()
                if self._peer_close is None:
                    await self._events.join()
        except ConnectionClosed as closed:
            if closed.sent is not None and closed.sent.code in FAILURES and not self._closing:
                error = found_by_host(closed.sent.code, closed.sent.reason)
                self._events.put_nowait({"type": "turnout.failed", "error": error})

    def _take_close(self) -> None:
        """Answer the peer's close frame, when all messages before it are through."""
        event = self._peer_close
        if event is None or self.is_closed_by_peer or self._delivered < self._input.messages:
            return
        self.is_closed_by_peer = self._closing = True
        self._events.put_nowait(event)
        if self.state is State.OPEN:
            self.state = State.CLOSING
            code, reason = event["code"], event["reason"]
            payload = b"" if code == NO_STATUS_CODE.code else code.to_bytes(2) + reason.encode()
            self.write_frame_sync(True, CLOSE, payload)
        self.transport.close()

    async def _tell_lost(self) -> None:
        await asyncio.wait([self._pump])
        self._events.put_nowait({"type": "websocket.disconnect", "code": 1006})

"""One WebSocket over the events of an ASGI host."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from turnout.close import NO_CLOSE_FRAME, NO_STATUS_CODE, CloseStatus
from turnout.messages import BinaryMessage, Message, TextMessage
from turnout.protocol.limits import SizeLimits, too_big
from turnout.session.connection import Connection

if TYPE_CHECKING:
    from turnout.options import WebSocketOptions
    from turnout_adapters.asgi.request import AsgiRequest
    from turnout_adapters.asgi.response import AsgiResponse
    from turnout_adapters.asgi.types import Event

__all__ = ["AsgiConnection"]


class AsgiConnection(Connection):
    """Reads and writes in a task each; a host's `send` may wait, a session's may not."""

    def __init__(
        self, request: AsgiRequest, response: AsgiResponse, options: WebSocketOptions
    ) -> None:
        self.native = request.native
        self.local_address = request.local_address
        self.remote_address = request.remote_address
        self._receive = request.receiver.receive
        self._send = response.pass_on
        self._limits = SizeLimits(options, partial=False)
        self._loop = asyncio.get_running_loop()
        self._outbound: deque[Event] = deque()
        self._pieces: list[str | bytes] = []
        self._readable = asyncio.Event()
        self._readable.set()
        self._reader: asyncio.Task[None] | None = None
        self._writer: asyncio.Task[None] | None = None
        self._close_sent = False
        self._lost = False

    # The session's calls

    def start(self) -> None:
        """Begin to read."""
        self._reader = self._loop.create_task(self._read())

    def send(self, message: Message) -> None:
        """Hand over one message; of one in pieces, nothing before the last of them."""
        if not isinstance(message, (TextMessage, BinaryMessage)):
            return
        if not (message.is_first and message.is_last):
            whole = self._join(message)
            if whole is None:
                return
            message = whole
        kind = "text" if isinstance(message, TextMessage) else "bytes"
        self._post({"type": "websocket.send", kind: message.payload})

    def send_close(self, status: CloseStatus) -> None:
        """Let the host send its close frame; ASGI knows none without a code."""
        if self._close_sent or self._lost:
            return
        self._close_sent = True
        code = 1000 if status == NO_STATUS_CODE else status.code
        self._post({"type": "websocket.close", "code": code, "reason": status.reason})

    def pause_reading(self) -> None:
        """Take no further event: the host holds the peer back."""
        self._readable.clear()

    def resume_reading(self) -> None:
        """Take events again."""
        self._readable.set()

    def close(self) -> None:
        """Nothing to do: a host ends the connection behind the close frame."""

    def abort(self) -> None:
        """Read and write no more; the host ends what is left when the application returns."""
        for task in (self._reader, self._writer):
            if task is not None:
                task.cancel()
        self._connection_lost(None)

    async def wait_ended(self) -> None:
        """Return when neither task runs any more."""
        running = [task for task in (self._reader, self._writer) if task is not None]
        if running:
            await asyncio.wait(running)

    # Outwards

    def _join(self, message: TextMessage | BinaryMessage) -> Message | None:
        self._pieces.append(message.payload)
        if not message.is_last:
            return None
        pieces, self._pieces = self._pieces, []
        if isinstance(message, TextMessage):
            return TextMessage("".join(pieces))  # type: ignore[arg-type]  # of one kind
        return BinaryMessage(b"".join(pieces))  # type: ignore[arg-type]  # of one kind

    def _post(self, event: Event) -> None:
        if self._lost:
            return
        self._outbound.append(event)
        if self._writer is None:
            self.session.pause_writing()
            self._writer = self._loop.create_task(self._write())

    async def _write(self) -> None:
        try:
            while self._outbound:
                await self._send(self._outbound.popleft())
        except Exception as error:
            self._connection_lost(error)
        finally:
            self._writer = None
        self.session.resume_writing()

    # Inwards

    async def _read(self) -> None:
        error: Exception | None = None
        try:
            while (event := await self._receive())["type"] == "websocket.receive":
                self._take(event)
                if not self._readable.is_set():
                    await self._readable.wait()
            self._disconnected(event)
        except Exception as raised:
            error = raised
        self._connection_lost(error)

    def _take(self, event: Event) -> None:
        self.heard = True
        text: str | None = event.get("text")
        message = BinaryMessage(event["bytes"]) if text is None else TextMessage(text)
        size = len(message.payload) if text is None else len(text.encode())
        limit = self._limits.binary if text is None else self._limits.text
        if size > limit:
            self.session.failed(CloseStatus(1009), too_big(size, limit))
        else:
            self.session.message_received(message)

    def _disconnected(self, event: Event) -> None:
        status = CloseStatus(event.get("code") or 1005, event.get("reason") or "")
        if status.code != NO_CLOSE_FRAME.code:
            self.session.close_received(status)

    def _connection_lost(self, error: Exception | None) -> None:
        if not self._lost:
            self._lost = True
            self._readable.set()
            self._outbound.clear()
            self.session.connection_lost(error)

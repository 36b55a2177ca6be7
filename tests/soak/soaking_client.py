"""One connection of a client: `websockets` reads and writes frames, this decides how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from math import ceil

from tests.soak.conversation import request
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import parse_uri

__all__ = ["NotOpened", "SoakingClient"]

DEFLATE = ClientPerMessageDeflateFactory(
    client_max_window_bits=9, compress_settings={"memLevel": 1}
)
RESET = struct.pack("ii", 1, 0)
SIZE_OF_UNFINISHED = 5000


class NotOpened(Exception):
    """The attempt did not become a connection: refused, or lost before the answer."""


class SoakingClient(asyncio.Protocol):
    """Sends numbered messages and watches that they are acknowledged in order.

    `on_progress(acknowledged)` is called when the connection is open, then for each answer;
    `on_violation(what)` when the server does what it may not. What is waited for has `patience`
    seconds to come; then `TimeoutError` is raised.
    """

    transport: asyncio.Transport

    def __init__(
        self,
        path: str,
        *,
        deflate: bool,
        patience: float,
        on_progress: Callable[[int], None],
        on_violation: Callable[[str], None],
    ) -> None:
        self._protocol = ClientProtocol(
            parse_uri(f"ws://127.0.0.1{path}"), extensions=[DEFLATE] if deflate else None
        )
        self._patience = patience
        self._loop = asyncio.get_running_loop()
        self._on_progress = on_progress
        self._on_violation = on_violation
        self._sent = 0
        self._changed: asyncio.Future[None] | None = None
        self._failure: str | None = None
        self.acknowledged = 0
        self.lost = False
        self.was_reset = False

    # asyncio's calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._protocol.send_request(self._protocol.connect())
        self._write()

    def data_received(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        self._read()
        self._write()

    def eof_received(self) -> None:
        self._protocol.receive_eof()
        self._read()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self.was_reset = exc is not None
        self._wake()

    # What the storm does

    async def opened(self) -> None:
        """Return when the handshake is done; raise `NotOpened` when it never will be."""
        await self._until(lambda: self.lost or self._failure is not None or self.is_open)
        if not self.is_open:
            raise NotOpened(self._failure or "lost before the answer")

    @property
    def is_open(self) -> bool:
        """True while messages can be sent."""
        return not self.lost and self._protocol.state is State.OPEN

    @property
    def close_code(self) -> int | None:
        """The code of the server's close frame; None when there was none."""
        received = self._protocol.close_rcvd
        return None if received is None else received.code

    def say(self, command: str, size: int, *, binary: bool, pieces: int) -> None:
        """Send the next message, in so many frames."""
        self._sent += 1
        data = request(self._sent, command, size).encode()
        step = max(1, -(-len(data) // pieces))
        send: Callable[[bytes, bool], None]
        send = self._protocol.send_binary if binary else self._protocol.send_text
        for begin in range(0, len(data), step):
            send(data[begin : begin + step], begin + step >= len(data))
            send = self._protocol.send_continuation
        self._write()

    async def caught_up(self, behind: int = 0) -> None:
        """Return when all but `behind` messages are acknowledged, or the connection is over."""
        await self._until(lambda: not self.is_open or self._sent - self.acknowledged <= behind)

    async def over(self) -> None:
        """Return when the connection is lost."""
        await self._until(lambda: self.lost)

    def send_close(self) -> None:
        """Begin the close handshake."""
        self._protocol.send_close(1000, "soaked")
        self._write()

    def send_unfinished(self) -> None:
        """Write the first half of a message."""
        data = Frame(Opcode.TEXT, b"u" * SIZE_OF_UNFINISHED).serialize(mask=True)
        self.transport.write(data[: len(data) // 2])

    def send_unmasked(self) -> None:
        """Break the protocol."""
        self.transport.write(Frame(Opcode.TEXT, b"unmasked").serialize(mask=False))

    def freeze(self) -> None:
        """Read no more, like a client whose machine is gone: nothing is answered any more."""
        if not self.lost:
            self.transport.pause_reading()

    def reset(self) -> None:
        """Cut the connection so that the server gets an RST."""
        connection = self.transport.get_extra_info("socket")
        if connection is not None and not self.transport.is_closing():
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.transport.abort()

    def end(self) -> None:
        """Cut the connection with a FIN, without a close frame."""
        self.transport.close()

    # In between

    def _read(self) -> None:
        for event in self._protocol.events_received():
            if isinstance(event, Response):
                self._take_response(event)
            elif isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                self._take_text(bytes(event.data).decode())
        error = self._protocol.parser_exc
        if error is not None and not isinstance(error, EOFError) and self._failure is None:
            self._failure = repr(error)
            if self._protocol.handshake_exc is None:
                self._on_violation(f"unreadable: {error!r}")
        self._wake()

    def _take_response(self, response: Response) -> None:
        if self._protocol.handshake_exc is None:
            self._on_progress(0)
            return
        self._failure = f"status {response.status_code}"
        if response.status_code != 503:
            self._on_violation(f"answered with {response.status_code}")

    def _take_text(self, text: str) -> None:
        kind, _, number = text.partition(" ")
        if kind == "broadcast":
            return
        if kind != "ack" or int(number) != self.acknowledged + 1:
            self._on_violation(f"{text[:40]!r} after ack {self.acknowledged}")
            return
        self.acknowledged += 1
        self._on_progress(self.acknowledged)

    def _write(self) -> None:
        for data in self._protocol.data_to_send():
            if self.lost or self.transport.is_closing():
                return
            if data:
                self.transport.write(data)
            else:
                self.transport.write_eof()

    async def _until(self, holds: Callable[[], bool]) -> None:
        # Second by second: a process that was stopped meanwhile has lost one of them, not all.
        for _ in range(ceil(self._patience)):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    while not holds():
                        self._changed = self._loop.create_future()
                        await self._changed
                    return
        raise TimeoutError

    def _wake(self) -> None:
        if self._changed is not None and not self._changed.done():
            self._changed.set_result(None)

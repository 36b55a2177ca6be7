"""The standard driver on a transport: what a session calls, and what a byte stream calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from turnout.messages import (
    BinaryMessage,
    DataMessage,
    Message,
    PingMessage,
    PongMessage,
    TextMessage,
)
from turnout.protocol.driver import CloseReceived, Driver, Failed
from turnout.session.connection import Connection

if TYPE_CHECKING:
    from turnout.close import CloseStatus
    from turnout.http.request import Address
    from turnout.options import WebSocketOptions
    from turnout.protocol.driver import Event
    from turnout.protocol.extensions import DeflateParameters
    from turnout.protocol.prepared import PreparedMessage
    from turnout.protocol.transport import Transport

__all__ = ["StandardConnection"]

# Above this, corked bytes leave at once, so that the transport can say that it has enough; and as a
# view: asyncio slices off what the socket took, which copies bytes on Python 3.11.
CORK_LIMIT: Final = 64 * 1024

# Such a message leaves in parts: a frame of it would be a copy, beside the message, what the
# transport keeps of it, and what the kernel has taken.
LONG_MESSAGE: Final = 512 * 1024

# What a compressed connection may bring, inflated, until the others have their turn: as much as an
# uncompressed one in one read of asyncio's. Where it is all small, the messages count too.
TURN: Final = 256 * 1024
COST_OF_A_MESSAGE: Final = 1024

# There is probably more behind a read of so many bytes, and uvloop goes on reading until there is
# not, up to 32 times.
LONG_READ: Final = 128 * 1024


class StandardConnection(Connection):
    """A WebSocket on any transport: a `Connection` to the session, a protocol to the transport.

    Make it the transport's protocol, set `session`, then call `start()`; bytes that come earlier,
    and `early_data` that came with the request, wait until then.

    *Corking*: what is sent while `data_received` runs leaves in one write at its end. Code that
    blocks in there (a handler on gevent) calls `flush()` first.

    *Closing*: a socket that is closed with unread input makes the kernel send RST, and the peer
    may lose our close frame (RFC 6455 section 7.1.1). So `close()` ends the outbound half only
    and discards what still comes, until the peer's end of stream; the session bounds that time
    with `abort()`. Once both close frames are through, nothing is unread: it closes at once.

    After `send_close` data messages that still come are discarded, and reading goes on whatever
    the session has paused, because the peer's close frame is behind them.

    *Turns*: a few bytes may inflate to a lot, and there may be many of them in one read. What is
    more than a turn's worth waits for the next turn of the runtime, and so does a read behind a
    long one.
    """

    def __init__(
        self,
        transport: Transport,
        options: WebSocketOptions,
        deflate: DeflateParameters | None = None,
        *,
        partial: bool = False,
        early_data: bytes = b"",
    ) -> None:
        self.native: Any = transport.native
        self.local_address: Address | None = transport.local_address
        self.remote_address: Address | None = transport.remote_address
        self._transport = transport
        self._driver = Driver(options, deflate, partial)
        self._driver.receive_data(early_data)
        self._started = False
        self._lost: tuple[Exception | None] | None = None
        self._reading = False
        self._resting = False
        self._transport_paused = False
        self._delivering = False
        self._deflates = deflate is not None
        self._turn_left = TURN
        self._corked: list[bytes | memoryview] = []
        self._corked_size = 0
        self._writing_paused = False
        self._late_pong: bytes | None = None
        self._close_sent = False
        self._close_received = False
        self._failed = False
        self._ended = False
        self._input_ended = False

    # What the session calls...

    def start(self) -> None:
        """Begin to read: first what came early."""
        self._started = True
        if self._writing_paused:
            self.session.pause_writing()
        self.resume_reading()
        if self._lost is not None:
            self.session.connection_lost(*self._lost)

    def send(self, message: Message) -> None:
        """Write one message; raise what `FrameEncoder.encode` raises, then nothing is written."""
        if len(message.payload) < LONG_MESSAGE:
            self._write(self._driver.encode(message))
        else:
            for part in self._driver.encode_long(message):
                self._write(part)

    def send_prepared(self, prepared: PreparedMessage) -> None:
        """Write a message that other connections get too."""
        self._write(self._driver.encode_prepared(prepared))

    def send_close(self, status: CloseStatus) -> None:
        """Write the close frame; 1005 stands for one without a code."""
        self._write(self._driver.encode_close(status))
        self._close_sent = True
        self.resume_reading()

    def pause_reading(self) -> None:
        """Deliver nothing until `resume_reading`, and hold the peer back."""
        if not self._close_sent and not self._ended:
            self._reading = False
            self._resting = False
            self._pause_transport()

    def resume_reading(self) -> None:
        """Deliver what is left, then let the transport read again."""
        if self._reading or self._ended:
            return
        self._reading = True
        if not self._delivering:
            self._deliver()
        if self._reading:
            self._resume_transport()

    def flush(self) -> None:
        """Write what is corked."""
        if self._corked:
            data = self._corked[0] if len(self._corked) == 1 else b"".join(self._corked)
            self._corked.clear()
            self._corked_size = 0
            self._transport.write(data if len(data) < CORK_LIMIT else memoryview(data))

    def close(self) -> None:
        """End the connection when all is written and the peer has had the chance to read it."""
        self.flush()
        if self._ended:
            return
        self._reading = False
        self._ended = True
        if self._input_ended or (self._close_sent and self._close_received):
            self._transport.close()
        else:
            self._transport.write_eof()
            self._resume_transport()

    def abort(self) -> None:
        """Cut the connection now; what is corked or buffered is lost."""
        self._reading = False
        self._ended = True
        self._corked.clear()
        self._transport.abort()

    def release(self) -> None:
        """Forget the session, whose end was told."""
        del self.session

    # What the transport calls...

    def data_received(self, data: bytes) -> None:
        """Take bytes that the peer sent, and deliver what they hold unless reading is paused."""
        self.heard = True
        if self._ended:
            return
        self._driver.receive_data(data)
        if self._reading:
            self._deliver()
            if len(data) >= LONG_READ and self._reading:
                self._rest()
        else:
            self._pause_transport()

    def eof_received(self) -> bool:
        """Note that the peer sends no more; what it sent is delivered first.

        True keeps the outbound half open, as asyncio has it, for the close frame; where that
        cannot be, asyncio would log each time that it was asked.
        """
        self._input_ended = True
        self._driver.receive_eof()
        if self._ended:
            self._transport.close()
        elif self._reading:
            self._end_input()
        return self._transport.half_closes

    def connection_lost(self, error: Exception | None) -> None:
        """Note that the connection is gone; what was held back by the session is dropped."""
        self._reading = False
        self._ended = True
        self._corked.clear()
        if self._started:
            self.session.connection_lost(error)
        else:
            self._lost = (error,)

    def pause_writing(self) -> None:
        """Pass on that the transport has enough for now."""
        self._writing_paused = True
        if self._started:
            self.session.pause_writing()

    def resume_writing(self) -> None:
        """Pass on that the transport takes more, after the pong that had to wait."""
        self._writing_paused = False
        if self._late_pong is not None:
            pong, self._late_pong = self._late_pong, None
            self._answer_ping(pong)
        if self._started:
            self.session.resume_writing()

    # In between...

    def _deliver(self) -> None:
        self._delivering = True  # from here on, writes are corked
        try:
            next_event = self._next_in_turn if self._deflates else self._driver.next_event
            while self._reading:
                event = next_event()
                if event is None:
                    break
                if type(event) is TextMessage or type(event) is BinaryMessage:
                    if not self._close_sent:
                        self.session.message_received(event)
                else:
                    self._deliver_control(event)
        finally:
            self._delivering = False
            self.flush()
        if self._input_ended and self._reading:
            self._end_input()

    def _next_in_turn(self) -> Event | None:
        if self._turn_left <= 0:
            self._rest()
            return None
        event = self._driver.next_event()
        if isinstance(event, DataMessage):
            self._turn_left -= len(event.payload) + COST_OF_A_MESSAGE
        return event

    def _rest(self) -> None:
        """Let others have their turn; the session has not paused, but it is as if it had."""
        self._turn_left = TURN
        self._reading = False
        self._resting = True
        self._pause_transport()
        self.session.runtime.call_later(0, self._go_on)

    def _go_on(self) -> None:
        if self._resting:
            self._resting = False
            self.resume_reading()

    def _deliver_control(self, event: Event) -> None:
        if isinstance(event, PingMessage):
            session = self.session  # to answer may tell of the end
            self._answer_ping(event.payload)
            session.ping_received(event)
        elif isinstance(event, PongMessage):
            self.session.pong_received(event)
        elif isinstance(event, CloseReceived):
            self._close_received = True
            self.session.close_received(event.status)
        else:
            assert isinstance(event, Failed)
            self._failed = True
            self.session.failed(event.status, event.error)

    def _answer_ping(self, payload: bytes) -> None:
        if self._close_sent:
            return
        if self._writing_paused:
            # RFC 6455 section 5.5.3 lets us answer the latest ping only: a flood of pings from a
            # peer that does not read fills no memory.
            self._late_pong = payload
        else:
            self._write(self._driver.encode(PongMessage(payload)))

    def _write(self, data: bytes | memoryview) -> None:
        if not self._delivering:
            self._transport.write(data if len(data) < CORK_LIMIT else memoryview(data))
            return
        self._corked.append(data)
        self._corked_size += len(data)
        if self._corked_size >= CORK_LIMIT:
            self.flush()

    def _end_input(self) -> None:
        # A peer that sent a close frame, or broke the protocol, is still owed ours. Any other has
        # gone: if what is buffered had to be written first, a handler that sends on would hold the
        # connection for as long as somebody reads, and a peer that reads nothing until a timeout.
        if self._close_received or self._failed:
            return
        if self._close_sent:  # the session has set the time
            self._transport.close()
        else:
            self._transport.abort()

    def _pause_transport(self) -> None:
        if not self._transport_paused:
            self._transport_paused = True
            self._transport.pause_reading()

    def _resume_transport(self) -> None:
        if self._transport_paused:
            self._transport_paused = False
            self._transport.resume_reading()

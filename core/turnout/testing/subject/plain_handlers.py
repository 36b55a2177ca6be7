"""The subject's handlers in the colour plain `def`; `async_handlers` has each in the other one."""

from __future__ import annotations

import hashlib
import json

from turnout import (
    BinaryMessage,
    BinaryWebSocketHandler,
    BlockingSession,
    CloseStatus,
    ConnectionClosed,
    Message,
    PingMessage,
    PongMessage,
    TextMessage,
    TextWebSocketHandler,
    WebSocketHandler,
    blocking,
    broadcast,
)
from turnout.testing.agreed import DETAIL
from turnout.testing.subject.facts import (
    describe_error,
    gate_is_open,
    record_end,
)
from turnout.testing.subject.recorder import record, token_of

__all__ = [
    "BinaryCallbacks",
    "Callbacks",
    "ControlCallbacks",
    "FailingCallbacks",
    "PieceCallbacks",
    "TextCallbacks",
    "control_frames",
    "echo",
    "flood",
    "gated",
    "overflowing",
    "pieces",
    "ticker",
]


def echo(session: BlockingSession) -> None:
    """Send every message back."""
    try:
        for message in session:
            session.send(message)
    finally:
        record_end(session, "ended")


def pieces(session: BlockingSession) -> None:
    """Say of every piece what it is."""
    for message in session:
        session.send(describe_piece(message))


def control_frames(session: BlockingSession) -> None:
    """Say which messages came, pings and pongs among them."""
    for message in session:
        session.send(f"{message.kind} {message.payload!r}")


def gated(session: BlockingSession) -> None:
    """Take no message before the gate is open; then answer with the sum of all, at "sum".

    Tells of its end, so that a test can leave a server that has nothing to do any more.
    """
    record(session.uri, "waiting")
    while session.is_open and not gate_is_open(token_of(session.uri)):
        # Polled: nothing that can be awaited is common to this handler's runtime and the opener's.
        blocking.sleep(0.01)
    digest, count = hashlib.sha256(), 0
    for message in session:
        if message.payload == "sum":
            session.send(json.dumps({"count": count, "digest": digest.hexdigest()}))
        else:
            digest.update(message.payload)
            count += 1
    record(session.uri, "through")


def flood(session: BlockingSession) -> None:
    """Send 16 KiB after 16 KiB until the session is over."""
    sent = 0
    try:
        while True:
            session.send(bytes(16384))
            sent += 1
    except ConnectionClosed as error:
        record_end(session, "flooded", sent=sent, **describe_error(error))


def overflowing(session: BlockingSession) -> None:
    """Post more numbered messages than the buffer holds, without waiting, at each command."""
    for message in session:
        command = json.loads(message.payload)
        for number in range(command["count"]):
            broadcast([session], f"{number:08}" + "x" * command["size"])
        record_end(session, "posted", waiting=session.waiting_bytes)
    record_end(session, "overflowed")


def ticker(session: BlockingSession) -> None:
    """Tick until a message comes, by two functions joined into one."""

    def tick() -> None:
        try:
            while True:
                session.send("tick")
                blocking.sleep(0.02)
        finally:
            record(session.uri, "stopped ticking")

    def listen() -> None:
        session.receive()

    blocking.join(listen, tick)
    session.send("stopped")


class Callbacks(WebSocketHandler):
    """Echo by callbacks and record the life of the connection."""

    def after_connection_established(self, session: BlockingSession) -> None:
        record(session.uri, "established", state=session.state)

    def handle_text_message(self, session: BlockingSession, message: TextMessage) -> None:
        session.send(message)

    def handle_binary_message(self, session: BlockingSession, message: BinaryMessage) -> None:
        session.send(message)

    def handle_transport_error(self, session: BlockingSession, error: Exception) -> None:
        record(session.uri, "transport error", error=type(error).__name__)

    def after_connection_closed(self, session: BlockingSession, status: CloseStatus) -> None:
        record(session.uri, "closed", code=status.code, reason=status.reason, state=session.state)


class FailingCallbacks(Callbacks):
    """Raise where the query says, `?in=established`, `error` or `closed`, and at a message."""

    def after_connection_established(self, session: BlockingSession) -> None:
        super().after_connection_established(session)
        if "in=established" in session.uri:
            raise RuntimeError(DETAIL)

    def handle_text_message(self, session: BlockingSession, message: TextMessage) -> None:
        raise RuntimeError(DETAIL)

    def handle_transport_error(self, session: BlockingSession, error: Exception) -> None:
        super().handle_transport_error(session, error)
        if "in=error" in session.uri:
            raise RuntimeError(DETAIL)

    def after_connection_closed(self, session: BlockingSession, status: CloseStatus) -> None:
        super().after_connection_closed(session, status)
        if "in=closed" in session.uri:
            raise RuntimeError(DETAIL)


class TextCallbacks(TextWebSocketHandler):
    """Echo text in capitals; binary messages are none of its business."""

    def handle_text_message(self, session: BlockingSession, message: TextMessage) -> None:
        session.send_text(message.payload.upper())


class BinaryCallbacks(BinaryWebSocketHandler):
    """Echo binary messages backwards; text is none of its business."""

    def handle_binary_message(self, session: BlockingSession, message: BinaryMessage) -> None:
        session.send_binary(message.payload[::-1])


class PieceCallbacks(WebSocketHandler):
    """Say of every piece what it is, by callbacks."""

    supports_partial_messages = True

    def handle_text_message(self, session: BlockingSession, message: TextMessage) -> None:
        session.send(describe_piece(message))

    def handle_binary_message(self, session: BlockingSession, message: BinaryMessage) -> None:
        session.send(describe_piece(message))


class ControlCallbacks(WebSocketHandler):
    """Say which pings and pongs came, by callbacks."""

    def handle_ping_message(self, session: BlockingSession, message: PingMessage) -> None:
        session.send(f"ping {message.payload!r}")

    def handle_pong_message(self, session: BlockingSession, message: PongMessage) -> None:
        session.send(f"pong {message.payload!r}")


def describe_piece(message: Message) -> str:
    """Return a piece's place in its message, and the piece, as JSON."""
    payload = message.payload if isinstance(message.payload, str) else message.payload.hex()
    return json.dumps([message.kind, payload, message.is_first, message.is_last])

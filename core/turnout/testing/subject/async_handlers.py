"""The subject's handlers in the colour `async def`; `plain_handlers` has each in the other one."""

from __future__ import annotations

import hashlib
import json

import turnout
from turnout import (
    BinaryMessage,
    BinaryWebSocketHandler,
    CloseStatus,
    ConnectionClosed,
    Message,
    PingMessage,
    PongMessage,
    TextMessage,
    TextWebSocketHandler,
    WebSocketHandler,
    WebSocketSession,
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


async def echo(session: WebSocketSession) -> None:
    """Send every message back."""
    try:
        async for message in session:
            await session.send(message)
    finally:
        record_end(session, "ended")


async def pieces(session: WebSocketSession) -> None:
    """Say of every piece what it is."""
    async for message in session:
        await session.send(describe_piece(message))


async def control_frames(session: WebSocketSession) -> None:
    """Say which messages came, pings and pongs among them."""
    async for message in session:
        await session.send(f"{message.kind} {message.payload!r}")


async def gated(session: WebSocketSession) -> None:
    """Take no message before the gate is open; then answer with the sum of all, at "sum".

    Tells of its end, so that a test can leave a server that has nothing to do any more.
    """
    record(session.uri, "waiting")
    while session.is_open and not gate_is_open(token_of(session.uri)):
        # Polled: nothing that can be awaited is common to this handler's runtime and the opener's.
        await turnout.sleep(0.01)
    digest, count = hashlib.sha256(), 0
    async for message in session:
        if message.payload == "sum":
            await session.send(json.dumps({"count": count, "digest": digest.hexdigest()}))
        else:
            digest.update(message.payload)
            count += 1
    record(session.uri, "through")


async def flood(session: WebSocketSession) -> None:
    """Send 16 KiB after 16 KiB until the session is over."""
    sent = 0
    try:
        while True:
            await session.send(bytes(16384))
            sent += 1
    except ConnectionClosed as error:
        record_end(session, "flooded", sent=sent, **describe_error(error))


async def overflowing(session: WebSocketSession) -> None:
    """Post more numbered messages than the buffer holds, without waiting, at each command."""
    async for message in session:
        command = json.loads(message.payload)
        for number in range(command["count"]):
            turnout.broadcast([session], f"{number:08}" + "x" * command["size"])
        record_end(session, "posted", waiting=session.waiting_bytes)
    record_end(session, "overflowed")


async def ticker(session: WebSocketSession) -> None:
    """Tick until a message comes, by two coroutines joined into one."""

    async def tick() -> None:
        try:
            while True:
                await session.send("tick")
                await turnout.sleep(0.02)
        finally:
            record(session.uri, "stopped ticking")

    async def listen() -> None:
        await session.receive()

    await turnout.join(listen(), tick())
    await session.send("stopped")


class Callbacks(WebSocketHandler):
    """Echo by callbacks and record the life of the connection."""

    async def after_connection_established(self, session: WebSocketSession) -> None:
        record(session.uri, "established", state=session.state)

    async def handle_text_message(self, session: WebSocketSession, message: TextMessage) -> None:
        await session.send(message)

    async def handle_binary_message(
        self, session: WebSocketSession, message: BinaryMessage
    ) -> None:
        await session.send(message)

    async def handle_transport_error(self, session: WebSocketSession, error: Exception) -> None:
        record(session.uri, "transport error", error=type(error).__name__)

    async def after_connection_closed(self, session: WebSocketSession, status: CloseStatus) -> None:
        record(session.uri, "closed", code=status.code, reason=status.reason, state=session.state)


class FailingCallbacks(Callbacks):
    """Raise where the query says, `?in=established`, `error` or `closed`, and at a message."""

    async def after_connection_established(self, session: WebSocketSession) -> None:
        await super().after_connection_established(session)
        if "in=established" in session.uri:
            raise RuntimeError(DETAIL)

    async def handle_text_message(self, session: WebSocketSession, message: TextMessage) -> None:
        raise RuntimeError(DETAIL)

    async def handle_transport_error(self, session: WebSocketSession, error: Exception) -> None:
        await super().handle_transport_error(session, error)
        if "in=error" in session.uri:
            raise RuntimeError(DETAIL)

    async def after_connection_closed(self, session: WebSocketSession, status: CloseStatus) -> None:
        await super().after_connection_closed(session, status)
        if "in=closed" in session.uri:
            raise RuntimeError(DETAIL)


class TextCallbacks(TextWebSocketHandler):
    """Echo text in capitals; binary messages are none of its business."""

    async def handle_text_message(self, session: WebSocketSession, message: TextMessage) -> None:
        await session.send_text(message.payload.upper())


class BinaryCallbacks(BinaryWebSocketHandler):
    """Echo binary messages backwards; text is none of its business."""

    async def handle_binary_message(
        self, session: WebSocketSession, message: BinaryMessage
    ) -> None:
        await session.send_binary(message.payload[::-1])


class PieceCallbacks(WebSocketHandler):
    """Say of every piece what it is, by callbacks."""

    supports_partial_messages = True

    async def handle_text_message(self, session: WebSocketSession, message: TextMessage) -> None:
        await session.send(describe_piece(message))

    async def handle_binary_message(
        self, session: WebSocketSession, message: BinaryMessage
    ) -> None:
        await session.send(describe_piece(message))


class ControlCallbacks(WebSocketHandler):
    """Say which pings and pongs came, by callbacks."""

    async def handle_ping_message(self, session: WebSocketSession, message: PingMessage) -> None:
        await session.send(f"ping {message.payload!r}")

    async def handle_pong_message(self, session: WebSocketSession, message: PongMessage) -> None:
        await session.send(f"pong {message.payload!r}")


def describe_piece(message: Message) -> str:
    """Return a piece's place in its message, and the piece, as JSON."""
    payload = message.payload if isinstance(message.payload, str) else message.payload.hex()
    return json.dumps([message.kind, payload, message.is_first, message.is_last])

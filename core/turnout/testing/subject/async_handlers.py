"""The subject's handlers in the colour `async def`; `plain_handlers` has each in the other one."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import turnout
from turnout import (
    BinaryMessage,
    BinaryWebSocketHandler,
    CloseStatus,
    ConnectionClosed,
    InvalidCloseError,
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
    describe_session,
    gate_is_open,
    open_gate,
    record_end,
    registry,
)
from turnout.testing.subject.recorder import record, token_of

__all__ = [
    "ACTIONS",
    "BinaryCallbacks",
    "Callbacks",
    "ControlCallbacks",
    "FailingCallbacks",
    "PieceCallbacks",
    "TextCallbacks",
    "act",
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
    """Take no message before the gate is open; then answer with the sum of all, at "sum"."""
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
    """Raise where the query says: `?in=established` or at a message."""

    async def after_connection_established(self, session: WebSocketSession) -> None:
        await super().after_connection_established(session)
        if "in=established" in session.uri:
            raise RuntimeError(DETAIL)

    async def handle_text_message(self, session: WebSocketSession, message: TextMessage) -> None:
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


async def act(session: WebSocketSession) -> None:
    """Do what each message commands, a JSON object: the name `do` and its arguments."""
    try:
        async for message in session:
            arguments = json.loads(message.payload)
            name = arguments.pop("do")
            if name == "return":
                return
            reply = await ACTIONS[name](session, **arguments)
            if session.is_open:
                await session.send(json.dumps(reply))
    finally:
        record_end(session, "ended")


async def facts(session: WebSocketSession) -> object:
    """Tell what the session knows."""
    return describe_session(session)


async def close(session: WebSocketSession, code: int, reason: str) -> object:
    """Close; answer with the error where that is not allowed."""
    try:
        await session.close(code, reason)
    except InvalidCloseError as error:
        return {**describe_error(error), "state": session.state}
    record_end(session, "close returned")
    return None


async def close_twice(session: WebSocketSession) -> None:
    """Close with 4001 and then with 4002."""
    await session.close(4001, "first")
    await session.close(4002, "second")
    record_end(session, "closed twice")


async def close_beside(session: WebSocketSession) -> None:
    """Close in a task of its own and record the state before and after the peer's answer."""
    closing = turnout.spawn(session.close(4001, "beside"))
    while session.is_open:
        await turnout.sleep(0)
    record_end(session, "closing")
    await closing
    record_end(session, "closed beside")


async def use_after_close(session: WebSocketSession) -> None:
    """Close, then try to send, to receive and to ping, and record what each raises."""
    await session.close(4001, "bye")
    attempts: list[Callable[[], Awaitable[object]]] = [
        lambda: session.send("late"),
        session.receive,
        session.ping,
    ]
    for attempt in attempts:
        try:
            await attempt()
        except ConnectionClosed as error:
            record_end(session, "refused", **describe_error(error))


async def fail(session: WebSocketSession) -> None:
    """Raise what a client must not see."""
    raise RuntimeError(DETAIL)


async def burst(session: WebSocketSession, count: int, size: int) -> object:
    """Send `count` binary messages of `size` bytes, numbered."""
    for number in range(count):
        await session.send(number.to_bytes(4, "big").ljust(size, b"."))
    return {"sent": count}


async def send_iterables(session: WebSocketSession) -> object:
    """Send an iterable and an asynchronous one."""

    async def numbers() -> AsyncIterator[str]:
        for number in range(3):
            yield f"second {number}"

    await session.send(f"first {number}" for number in range(3))
    await session.send(numbers())
    return "done"


async def send_pieces(session: WebSocketSession) -> object:
    """Send one text message in three pieces."""
    await session.send(TextMessage("on", is_last=False))
    await session.send(TextMessage("ce ", is_first=False, is_last=False))
    await session.send(TextMessage("more", is_first=False))
    return "done"


async def send_at_once(session: WebSocketSession, senders: int, count: int, size: int) -> object:
    """Send from several tasks at the same time; each message is one letter repeated."""

    async def sender(letter: str) -> None:
        for _ in range(count):
            await session.send(letter * size)

    async with turnout.TaskGroup() as group:
        for number in range(senders):
            group.spawn(sender(chr(ord("a") + number)))
    return "done"


async def ping(session: WebSocketSession) -> object:
    """Measure a round trip."""
    return {"seconds": await session.ping()}


async def pong(session: WebSocketSession, payload: str) -> object:
    """Send a pong that nobody asked for."""
    await session.pong(payload.encode())
    return "done"


async def wait(session: WebSocketSession, seconds: float, limit: float) -> object:
    """Sleep within a timeout, by turnout's own helpers."""
    try:
        async with turnout.timeout(limit):
            await turnout.sleep(seconds)
    except TimeoutError:
        return "timed out"
    return "slept"


async def await_foreign(session: WebSocketSession) -> object:
    """Await what only an asyncio event loop completes."""
    await asyncio.sleep(0.001)
    return "awaited"


async def send_to_all(session: WebSocketSession, room: str, text: str) -> object:
    """Broadcast to the sessions whose path names `room`."""
    members = [
        one for one in registry().sessions.values() if one.path_variables.get("room") == room
    ]
    turnout.broadcast(members, text)
    return len(members)


async def send_to(session: WebSocketSession, session_id: str, text: str) -> object:
    """Send to another session by its id."""
    return await registry().send(session_id, text)


async def drain(session: WebSocketSession, code: int, reason: str) -> object:
    """Begin to close every session of this server."""
    turnout.spawn(registry().drain(code=code, reason=reason))
    return "draining"


async def add_path(session: WebSocketSession, path: str) -> object:
    """Add a handler while the registry is being served."""
    registry().websocket(path)(echo)
    return "added"


async def open_other(session: WebSocketSession, token: str) -> object:
    """Open another connection's gate."""
    open_gate(token)
    return "open"


ACTIONS: dict[str, Callable[..., Awaitable[object]]] = {
    "facts": facts,
    "close": close,
    "close twice": close_twice,
    "close beside": close_beside,
    "use after close": use_after_close,
    "fail": fail,
    "burst": burst,
    "send iterables": send_iterables,
    "send pieces": send_pieces,
    "send at once": send_at_once,
    "ping": ping,
    "pong": pong,
    "wait": wait,
    "await foreign": await_foreign,
    "broadcast": send_to_all,
    "send to": send_to,
    "drain": drain,
    "add path": add_path,
    "open gate": open_other,
}

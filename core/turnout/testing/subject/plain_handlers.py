"""The subject's handlers in the colour plain `def`; `async_handlers` has each in the other one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import partial

from turnout import (
    BinaryMessage,
    BinaryWebSocketHandler,
    BlockingSession,
    CloseStatus,
    ConnectionClosed,
    InvalidCloseError,
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
    """Take no message before the gate is open; then answer with the sum of all, at "sum"."""
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
    """Raise where the query says: `?in=established` or at a message."""

    def after_connection_established(self, session: BlockingSession) -> None:
        super().after_connection_established(session)
        if "in=established" in session.uri:
            raise RuntimeError(DETAIL)

    def handle_text_message(self, session: BlockingSession, message: TextMessage) -> None:
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


def act(session: BlockingSession) -> None:
    """Do what each message commands, a JSON object: the name `do` and its arguments."""
    try:
        for message in session:
            arguments = json.loads(message.payload)
            name = arguments.pop("do")
            if name == "return":
                return
            reply = ACTIONS[name](session, **arguments)
            if session.is_open:
                session.send(json.dumps(reply))
    finally:
        record_end(session, "ended")


def facts(session: BlockingSession) -> object:
    """Tell what the session knows."""
    return describe_session(session)


def close(session: BlockingSession, code: int, reason: str) -> object:
    """Close; answer with the error where that is not allowed."""
    try:
        session.close(code, reason)
    except InvalidCloseError as error:
        return {**describe_error(error), "state": session.state}
    record_end(session, "close returned")
    return None


def close_twice(session: BlockingSession) -> None:
    """Close with 4001 and then with 4002."""
    session.close(4001, "first")
    session.close(4002, "second")
    record_end(session, "closed twice")


def close_beside(session: BlockingSession) -> None:
    """Close beside the handler and record the state before and after the peer's answer."""
    closing = blocking.spawn(lambda: session.close(4001, "beside"))
    while session.is_open:
        blocking.sleep(0)
    record_end(session, "closing")
    closing.result()
    record_end(session, "closed beside")


def use_after_close(session: BlockingSession) -> None:
    """Close, then try to send, to receive and to ping, and record what each raises."""
    session.close(4001, "bye")
    attempts: list[Callable[[], object]] = [
        lambda: session.send("late"),
        session.receive,
        session.ping,
    ]
    for attempt in attempts:
        try:
            attempt()
        except ConnectionClosed as error:
            record_end(session, "refused", **describe_error(error))


def fail(session: BlockingSession) -> None:
    """Raise what a client must not see."""
    raise RuntimeError(DETAIL)


def burst(session: BlockingSession, count: int, size: int) -> object:
    """Send `count` binary messages of `size` bytes, numbered."""
    for number in range(count):
        session.send(number.to_bytes(4, "big").ljust(size, b"."))
    return {"sent": count}


def send_iterables(session: BlockingSession) -> object:
    """Send an iterable and a list."""
    session.send(f"first {number}" for number in range(3))
    session.send([f"second {number}" for number in range(3)])
    return "done"


def send_pieces(session: BlockingSession) -> object:
    """Send one text message in three pieces."""
    session.send(TextMessage("on", is_last=False))
    session.send(TextMessage("ce ", is_first=False, is_last=False))
    session.send(TextMessage("more", is_first=False))
    return "done"


def send_at_once(session: BlockingSession, senders: int, count: int, size: int) -> object:
    """Send from several threads or greenlets at once; each message is one letter repeated."""

    def sender(letter: str) -> None:
        for _ in range(count):
            session.send(letter * size)

    letters = [chr(ord("a") + number) for number in range(senders)]
    tasks = [blocking.spawn(partial(sender, letter)) for letter in letters]
    for task in tasks:
        task.result()
    return "done"


def ping(session: BlockingSession) -> object:
    """Measure a round trip."""
    return {"seconds": session.ping()}


def pong(session: BlockingSession, payload: str) -> object:
    """Send a pong that nobody asked for."""
    session.pong(payload.encode())
    return "done"


def wait(session: BlockingSession, seconds: float, limit: float) -> object:
    """Sleep within a timeout, by turnout's own helpers."""
    try:
        with blocking.timeout(limit):
            blocking.sleep(seconds)
    except TimeoutError:
        return "timed out"
    return "slept"


def send_to_all(session: BlockingSession, room: str, text: str) -> object:
    """Broadcast to the sessions whose path names `room`."""
    members = [
        one for one in registry().sessions.values() if one.path_variables.get("room") == room
    ]
    broadcast(members, text)
    return len(members)


def send_to(session: BlockingSession, session_id: str, text: str) -> object:
    """Send to another session by its id."""
    other = registry().sessions.get(session_id)
    if other is None:
        return False
    other.blocking.send(text)
    return True


def add_path(session: BlockingSession, path: str) -> object:
    """Add a handler while the registry is being served."""
    registry().websocket(path)(echo)
    return "added"


def open_other(session: BlockingSession, token: str) -> object:
    """Open another connection's gate."""
    open_gate(token)
    return "open"


ACTIONS: dict[str, Callable[..., object]] = {
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
    "broadcast": send_to_all,
    "send to": send_to,
    "add path": add_path,
    "open gate": open_other,
}

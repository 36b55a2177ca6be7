"""What the subject's `act` handler does when it is told to, in the colour plain `def`."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

from turnout import (
    BlockingSession,
    ConnectionClosed,
    InvalidCloseError,
    TextMessage,
    blocking,
    broadcast,
)
from turnout.testing.agreed import DETAIL
from turnout.testing.subject.facts import (
    describe_error,
    describe_session,
    open_gate,
    record_end,
    registry,
)
from turnout.testing.subject.plain_handlers import echo

__all__ = ["ACTIONS", "act"]


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


def close_while_sending(session: BlockingSession, count: int, size: int) -> None:
    """Close beside a sender that has more to send than the peer takes."""
    sending = blocking.spawn(lambda: burst(session, count, size))
    while session.is_open and not session.waiting_bytes:
        blocking.sleep(0)
    record_end(session, "held back")
    session.close(4001, "enough")
    try:
        sending.result()
    except ConnectionClosed as error:
        record_end(session, "sender stopped", **describe_error(error))


def note(session: BlockingSession) -> object:
    """Record that this message was handled."""
    record_end(session, "noted")
    return "noted"


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


def open_at_the_end(session: BlockingSession, token: str) -> object:
    """Open another connection's gate when this one has ended."""
    session.send(json.dumps("waiting"))
    session.wait_closed()
    return open_other(session, token)


ACTIONS: dict[str, Callable[..., object]] = {
    "facts": facts,
    "close": close,
    "close twice": close_twice,
    "close beside": close_beside,
    "use after close": use_after_close,
    "close while sending": close_while_sending,
    "note": note,
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
    "open gate at the end": open_at_the_end,
}

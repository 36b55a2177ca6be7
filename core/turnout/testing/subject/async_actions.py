"""What the subject's `act` handler does when it is told to, in the colour `async def`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import turnout
from turnout import (
    ConnectionClosed,
    InvalidCloseError,
    TextMessage,
    WebSocketSession,
)
from turnout.testing.agreed import DETAIL
from turnout.testing.subject.async_handlers import echo
from turnout.testing.subject.facts import (
    describe_error,
    describe_session,
    open_gate,
    record_end,
    registry,
)

__all__ = ["ACTIONS", "act"]


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


async def close_while_sending(session: WebSocketSession, count: int, size: int) -> None:
    """Close beside a sender that has more to send than the peer takes."""
    sending = turnout.spawn(burst(session, count, size))
    while session.is_open and not session.waiting_bytes:
        await turnout.sleep(0)
    record_end(session, "held back")
    await session.close(4001, "enough")
    try:
        await sending
    except ConnectionClosed as error:
        record_end(session, "sender stopped", **describe_error(error))


async def note(session: WebSocketSession) -> object:
    """Record that this message was handled."""
    record_end(session, "noted")
    return "noted"


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
    """Begin to close every session of this server, behind the answer."""
    await session.send(json.dumps("draining"))  # where tasks are threads, one may begin at once
    turnout.spawn(registry().drain(code=code, reason=reason))
    await session.wait_closed()
    return None


async def add_path(session: WebSocketSession, path: str) -> object:
    """Add a handler while the registry is being served."""
    registry().websocket(path)(echo)
    return "added"


async def open_other(session: WebSocketSession, token: str) -> object:
    """Open another connection's gate."""
    open_gate(token)
    return "open"


async def open_at_the_end(session: WebSocketSession, token: str) -> object:
    """Open another connection's gate when this one has ended."""
    await session.send(json.dumps("waiting"))
    await session.wait_closed()
    return await open_other(session, token)


ACTIONS: dict[str, Callable[..., Awaitable[object]]] = {
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
    "await foreign": await_foreign,
    "broadcast": send_to_all,
    "send to": send_to,
    "drain": drain,
    "add path": add_path,
    "open gate": open_other,
    "open gate at the end": open_at_the_end,
}

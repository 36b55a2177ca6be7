"""One message to many sessions, and two streams joined into one handler."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

from turnout.errors import ConnectionClosed
from turnout.messages import BinaryMessage, TextMessage
from turnout.primitives import finished
from turnout.protocol.prepared import PreparedMessage
from turnout.runtime import current_runtime
from turnout.session.blocking import BlockingSession
from turnout.session.session import WebSocketSession

if TYPE_CHECKING:
    from turnout.runtime import Task

__all__ = ["broadcast", "join"]

AnySession: TypeAlias = WebSocketSession | BlockingSession


def broadcast(
    sessions: Iterable[AnySession],
    message: TextMessage | BinaryMessage | str | bytes | bytearray | memoryview,
) -> int:
    """Send one message to many sessions; return how many were open.

    A plain call in handlers of both colours. The message is encoded once for each compression
    setting, and nobody waits: for a slow session it waits in that session's own send buffer, whose
    limits then count. Sessions that have ended are left out.
    """
    prepared = PreparedMessage(_as_message(message))
    reached = 0
    for session in list(sessions):
        if session.is_open and _post(session, prepared):
            reached += 1
    return reached


def _post(session: AnySession, prepared: PreparedMessage) -> bool:
    """Post inside the session's runtime: plain code may hold sessions of a loop elsewhere."""
    ended: list[AnySession] = []

    def post() -> None:
        try:
            session.post(prepared)
        except ConnectionClosed:
            ended.append(session)

    session._runtime.call_inside(post)
    return not ended


def _as_message(
    message: TextMessage | BinaryMessage | str | bytes | bytearray | memoryview,
) -> TextMessage | BinaryMessage:
    if isinstance(message, (TextMessage, BinaryMessage)):
        return message
    if isinstance(message, str):
        return TextMessage(message)
    if not isinstance(message, (bytes, bytearray, memoryview)):
        raise TypeError(
            "broadcast takes str, bytes, a TextMessage or a BinaryMessage, not"
            f" {type(message).__name__}"
        )
    return BinaryMessage(message)


async def join(inbound: Coroutine[Any, Any, Any], outbound: Coroutine[Any, Any, Any]) -> None:
    """Run two coroutines beside each other until either ends, then cancel the other.

    Raises what the first to end raised. Returns when both have ended.
    """
    runtime = current_runtime()
    ended = runtime.waiter()
    order: list[int] = []

    async def run(index: int, coroutine: Coroutine[Any, Any, Any]) -> None:
        try:
            await coroutine
        finally:
            order.append(index)
            ended.wake()

    tasks: list[Task[None]] = [
        runtime.spawn(run(index, coroutine)) for index, coroutine in enumerate((inbound, outbound))
    ]
    try:
        await ended
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            await finished(task)
    await tasks[order[0]]

"""Run a coroutine to its end without an event loop, where every wait blocks at once."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from turnout.errors import ForeignAwaitableError

__all__ = ["drive"]

T = TypeVar("T")

ADVICE = (
    "this handler runs without an asyncio event loop: await turnout's own helpers"
    " (turnout.sleep, timeout, spawn, Lock, Queue, Event), or register it with"
    ' async_runtime="asyncio" to run it on an event loop beside this server'
)


def drive(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run `coroutine` by one `send(None)`; its awaitables block the calling greenlet or thread.

    Raises `ForeignAwaitableError` when it awaits something that only an event loop can complete.
    """
    try:
        yielded = coroutine.send(None)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]  # StopIteration.value is untyped
    except RuntimeError as error:
        if "no running event loop" in str(error):
            raise ForeignAwaitableError(ADVICE) from error
        raise
    # Raised inside the coroutine, so that the traceback shows the line that awaited.
    foreign = ForeignAwaitableError(f"cannot await {type(yielded).__name__} here: {ADVICE}")
    try:
        coroutine.throw(foreign)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]  # StopIteration.value is untyped
    coroutine.close()
    raise foreign

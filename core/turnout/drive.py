"""Run a coroutine to its end without an event loop, where every wait blocks at once."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from turnout.errors import ForeignAwaitableError

__all__ = ["drive", "explain"]

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
        explained = explain(error)
        if explained is error:
            raise
        raise explained from error
    # Raised inside the coroutine, so that the traceback shows the line that awaited.
    foreign = ForeignAwaitableError(f"cannot await {type(yielded).__name__} here: {ADVICE}")
    try:
        coroutine.throw(foreign)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]  # StopIteration.value is untyped
    coroutine.close()
    raise foreign


def explain(error: Exception) -> Exception:
    """Return an error that names the fix in the place of the one by which asyncio misses its loop.

    asyncio raises it where it is called, so a handler's guard may see it before `drive` does.
    """
    # By its arguments: `str()` of an error is code of whoever wrote it, and may raise itself.
    if not isinstance(error, RuntimeError) or error.args != ("no running event loop",):
        return error
    explained = ForeignAwaitableError(ADVICE)
    explained.__cause__ = error
    return explained

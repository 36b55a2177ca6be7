"""The end of a worker of hypercorn's, noticed before it waits for its connections.

hypercorn tells the application of the end only behind its open connections. It waits for them
without a limit on Python 3.12 and later; on 3.11 for `graceful_timeout`, and then reads no more.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

__all__ = ["drain_at_termination"]

Drain: TypeAlias = Callable[[], Awaitable[None]]

_draining: WeakKeyDictionary[Any, dict[Drain, asyncio.Task[None]]] = WeakKeyDictionary()
"""What waits for the end of each worker, by its context."""


def drain_at_termination(send: object, drain: Drain) -> None:
    """Await `drain()` when the worker begins to end that a scope's `send` belongs to.

    With the `send` of another server, do nothing; so too with one that is wrapped, where the
    application is called in another task than hypercorn's.
    """
    module: Any = sys.modules.get("hypercorn.asyncio.worker_context")
    if module is None:
        return
    context = _context_of(send) or _context_of(_send_of_the_task())
    if not isinstance(context, module.WorkerContext):
        return
    waiting = _draining.setdefault(context, {})
    if drain not in waiting:
        coroutine = _drain_behind(context.terminated, drain)
        loop = asyncio.get_running_loop()
        waiting[drain] = loop.create_task(coroutine, context=Context())  # not this request's


def _context_of(send: object) -> Any:
    return getattr(getattr(send, "__self__", None), "context", None)


def _send_of_the_task() -> object:
    """Return the `send` that the task of a request got: a middleware has wrapped it since."""
    task = asyncio.current_task()
    frame = None if task is None else getattr(task.get_coro(), "cr_frame", None)
    return None if frame is None else frame.f_locals.get("send")


async def _drain_behind(terminated: Any, drain: Drain) -> None:
    await terminated.wait()
    await drain()

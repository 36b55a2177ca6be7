"""Plain code inside a task: it runs in a greenlet, and what it waits for, the task awaits."""

from __future__ import annotations

import types
from collections.abc import Coroutine, Generator
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, TypeVar

import greenlet

if TYPE_CHECKING:
    from turnout.runtime import Runtime

__all__ = ["GreenletBridge"]

T = TypeVar("T")


class GreenletBridge:
    """One greenlet of one task."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._task = greenlet.getcurrent()
        self._child = greenlet.greenlet(self.call)

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine from inside the greenlet; switches to the task only when it suspends.

        From elsewhere, such as a thread that the handler has spawned, block like anyone outside.
        """
        if greenlet.getcurrent() is not self._child:
            return self._runtime.call_blocking(coroutine)
        step: Any = coroutine.send
        value: Any = None
        while True:
            try:
                awaited = step(value)
            except StopIteration as stop:
                return stop.value  # type: ignore[no-any-return]  # StopIteration.value is untyped
            try:
                step, value = coroutine.send, self._task.switch(awaited)
            except BaseException as error:  # thrown by the task, e.g. a cancellation
                step, value = coroutine.throw, error

    @types.coroutine
    def run(self, coroutine: Coroutine[Any, Any, T]) -> Generator[Any, Any, T]:
        """Run a coroutine, and the plain code that it calls, in a new greenlet."""
        self._task = greenlet.getcurrent()
        child = self._child
        child.gr_context = copy_context()
        result: Any = child.switch(coroutine)
        while not child.dead:
            try:
                sent = yield result
            except BaseException as error:  # goes on inside the greenlet
                result = child.throw(error)
            else:
                result = child.switch(sent)
        return result  # type: ignore[no-any-return]  # greenlets are untyped

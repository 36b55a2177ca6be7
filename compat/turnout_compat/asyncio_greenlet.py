"""Plain code inside a task: it runs in a greenlet, and what it waits for, the task awaits."""

from __future__ import annotations

import types
from collections.abc import Coroutine, Generator
from contextvars import copy_context
from typing import Any, TypeVar

import greenlet

__all__ = ["GreenletBridge"]

T = TypeVar("T")


class GreenletBridge:
    """One greenlet of one task."""

    _task: greenlet.greenlet

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine from inside the greenlet; switches to the task only when it suspends."""
        step, value = coroutine.send, None
        while True:
            try:
                awaited = step(value)
            except StopIteration as stop:
                return stop.value  # type: ignore[no-any-return]  # StopIteration.value is untyped
            try:
                step, value = coroutine.send, self._task.switch(awaited)
            except BaseException as error:  # thrown by the task, e.g. a cancellation
                step, value = coroutine.throw, error  # type: ignore[assignment]  # takes the error as its value

    @types.coroutine
    def run(self, coroutine: Coroutine[Any, Any, T]) -> Generator[Any, Any, T]:
        """Run a coroutine, and the plain code that it calls, in a new greenlet."""
        self._task = greenlet.getcurrent()
        child = greenlet.greenlet(self.call)
        child.gr_context = copy_context()
        result = child.switch(coroutine)
        while not child.dead:
            try:
                sent = yield result
            except BaseException as error:  # goes on inside the greenlet
                result = child.throw(error)
            else:
                result = child.switch(sent)
        return result

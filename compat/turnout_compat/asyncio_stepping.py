"""Run the beginning of a coroutine inside a task that is waiting, without waking it.

A callback that never suspends then costs no task and no turn of the loop. What runs sees the task
as the current one and its context variables, so `asyncio.timeout` and `TaskGroup` work. When the
callback does suspend, the task takes coroutine and future over; `resume` does what `Task` itself
does with what a coroutine yields.
"""

from __future__ import annotations

import asyncio
import types
from asyncio.tasks import _enter_task, _leave_task  # the documented way for third-party loops
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextvars import Context
from types import CoroutineType
from typing import TYPE_CHECKING, Any, TypeVar, cast

from turnout.session.inbox import RuntimeInbox
from turnout_compat.asyncio_streams import ENDED, NOT_ENTERED, StreamDriver, Turnstile

if TYPE_CHECKING:
    from turnout.session.inbox import Inbox
    from turnout.session.lifecycle import Suspended

__all__ = ["TaskStepper", "call_outside"]

T = TypeVar("T")


def call_outside(task: asyncio.Task[Any], call: Callable[[Any], T], argument: Any) -> T:
    """Call as the loop itself would, though `task` runs: what is called may step another one.

    Inside of `task` nothing could be stepped, and a callback would cost a turn of the loop.
    """
    loop = task.get_loop()
    _leave_task(loop, task)
    try:
        return call(argument)
    finally:
        _enter_task(loop, task)


class TaskStepper:
    """Steps coroutines inside one task of the running loop, which sets `task` before any step."""

    __slots__ = ("_context", "_loop", "task")

    task: asyncio.Task[Any]

    def __init__(self, loop: asyncio.AbstractEventLoop, context: Context) -> None:
        self._loop = loop
        self._context = context

    def step(self, awaitable: Awaitable[object]) -> Suspended | None:
        """Return it with what it suspended on, or None when it has ended; raise what it raised."""
        if type(awaitable) is not CoroutineType and not isinstance(awaitable, Coroutine):
            return awaitable, _NOT_STARTED  # a future, say: there is nothing to step
        try:
            _enter_task(self._loop, self.task)
        except RuntimeError:  # the engine delivers from inside another task: let ours run it
            return awaitable, _NOT_STARTED
        try:
            # Not `send`: the end of a coroutine that returns nothing raises nothing by this way.
            suspended_on = self._context.run(next, awaitable.__await__(), _ENDED)
        finally:
            _leave_task(self._loop, self.task)
        return None if suspended_on is _ENDED else (awaitable, suspended_on)

    def stream(self, handling: Awaitable[object], inbox: Inbox) -> Awaitable[object]:
        """Return what runs a stream handler, stepping it on where its messages arrive."""
        if not isinstance(handling, Coroutine) or not isinstance(inbox, RuntimeInbox):
            return handling  # a future, say: there is nothing to step
        return StreamDriver(handling, inbox, self, Turnstile(self.task))

    def send(self, coroutine: Coroutine[Any, Any, object], value: object) -> object:
        """Send a value into a coroutine; return what it waits for then, or `ENDED`.

        Returns `NOT_ENTERED`, with nothing done, where another task runs.
        """
        try:
            _enter_task(self._loop, self.task)
        except RuntimeError:
            return NOT_ENTERED
        try:
            return self._context.run(coroutine.send, value)
        except StopIteration:
            return ENDED
        finally:
            _leave_task(self._loop, self.task)

    def waiter(self) -> asyncio.Future[None]:
        """Return what the task can wait for."""
        return self._loop.create_future()

    async def resume(self, awaitable: Awaitable[object], suspended_on: object) -> None:
        """Run the rest of what was stepped inside the task, which awaits this."""
        if suspended_on is _NOT_STARTED:
            await awaitable
        else:
            await _rest(cast("Coroutine[Any, Any, object]", awaitable), suspended_on)

    async def interrupt(
        self, awaitable: Awaitable[object], suspended_on: Any, error: BaseException
    ) -> None:
        """Do to a suspended coroutine what `Task.cancel` does: cancel what it waits for.

        Returns when the coroutine survives that, as one inside `asyncio.timeout` does.
        """
        if suspended_on is _NOT_STARTED:
            _discard(awaitable)
            raise error
        coroutine = cast("Coroutine[Any, Any, object]", awaitable)
        if suspended_on is not None and suspended_on.cancel():
            await _rest(coroutine, suspended_on)
        else:
            await _rest(coroutine, suspended_on, error)


def _discard(awaitable: Awaitable[object]) -> None:
    """Give up what was not begun, as the end of the task that awaits it would."""
    if isinstance(awaitable, Coroutine):
        awaitable.close()
    elif isinstance(awaitable, asyncio.Future):
        awaitable.cancel()


class _NotStarted:
    """Stands for what a coroutine waits for that could not even begin."""


_NOT_STARTED = _NotStarted()
_ENDED = object()


@types.coroutine
def _rest(
    coroutine: Coroutine[Any, Any, object],
    suspended_on: object,
    error: BaseException | None = None,
) -> Generator[Any, Any, object]:
    """Await a coroutine that has already suspended once (`await` itself refuses that)."""
    try:
        if error is not None:
            suspended_on = coroutine.throw(error)
        while True:
            try:
                sent = yield suspended_on
            except GeneratorExit:
                coroutine.close()
                raise
            except BaseException as thrown:
                suspended_on = coroutine.throw(thrown)
            else:
                suspended_on = coroutine.send(sent)
    except StopIteration as stop:
        return stop.value

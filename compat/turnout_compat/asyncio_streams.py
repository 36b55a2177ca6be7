"""Run a stream handler inside the connection's task, and step it on where its message arrives.

A stream handler waits for its next message most of the time. It is a coroutine of the connection's
task then, and what it waits for is a `Turnstile`, which the task itself never sees: as long as it
is there, the engine sends a message right into the coroutine. So a message costs no future and no
turn of the loop, and what the handler sends in one read leaves in one write. What else it waits
for, it waits for as in any task.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from turnout.messages import Message
    from turnout.session.inbox import RuntimeInbox
    from turnout_compat.asyncio_stepping import TaskStepper

__all__ = ["StreamDriver", "Turnstile"]


class Turnstile:
    """What a stream handler waits at for a message; None comes when it has to look again."""

    __slots__ = ("_loop", "_task")

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self._loop = task.get_loop()
        self._task = task

    @property
    def is_here(self) -> bool:
        """True within the task whose coroutine is driven: in any other, nobody knows of it."""
        return asyncio.current_task(self._loop) is self._task

    def __await__(self) -> Generator[Any, Any, Message | None]:
        message: Message | None = yield self
        return message


class StreamDriver:
    """Runs a handler; awaited inside the connection's task, it ends as the handler does."""

    __slots__ = ("_coroutine", "_error", "_inbox", "_parked", "_reached", "_stepper", "_turnstile")

    def __init__(
        self,
        coroutine: Coroutine[Any, Any, object],
        inbox: RuntimeInbox,
        stepper: TaskStepper,
        turnstile: Turnstile,
    ) -> None:
        self._coroutine = coroutine
        self._inbox = inbox
        self._stepper = stepper
        self._turnstile = turnstile
        self._parked: asyncio.Future[None] | None = None
        self._reached: object = turnstile
        self._error: BaseException | None = None

    def __await__(self) -> Generator[Any, Any, None]:
        self._inbox.turnstile = self._turnstile
        try:
            reached = _sent(self._coroutine, None)
            while reached is not ENDED:
                at_turnstile = reached is self._turnstile
                reached = yield from self._at_turnstile() if at_turnstile else self._at(reached)
        finally:
            self._inbox.turnstile = None
            self._coroutine.close()

    # Each of these returns what the coroutine has reached: what it waits for, or its end.

    def _at(self, suspended_on: object) -> Generator[Any, Any, object]:
        """Wait for what is none of turnout's, as a task does."""
        try:
            sent = yield suspended_on
        except GeneratorExit:
            raise
        except BaseException as error:
            return _thrown(self._coroutine, error)
        return _sent(self._coroutine, sent)

    def _at_turnstile(self) -> Generator[Any, Any, object]:
        inbox = self._inbox
        message = inbox.take()
        if message is not None or inbox.ended:
            return _sent(self._coroutine, message)
        self._reached = self._turnstile
        self._parked = waiter = self._stepper.waiter()
        inbox.consumer = self._consume
        inbox.on_end = self._go_on
        interruption: BaseException | None = None
        try:
            yield from waiter
        except GeneratorExit:
            raise
        except BaseException as error:
            interruption = error
        finally:
            inbox.consumer = inbox.on_end = None
        if self._error is not None:
            raise self._error
        return self._reached if interruption is None else self._interrupted(interruption)

    def _interrupted(self, error: BaseException) -> object:
        """Do to the coroutine what `Task.cancel` does, wherever it is by now."""
        reached: Any = self._reached
        if reached is ENDED:
            raise error
        if reached is not self._turnstile and reached is not None and reached.cancel():
            return reached
        return _thrown(self._coroutine, error)

    # Where the engine delivers

    def _consume(self, message: Message) -> None:
        inbox = self._inbox
        consumer = inbox.consumer
        inbox.begin_answer()
        try:
            reached = self._stepper.send(self._coroutine, message)
        except BaseException as error:  # raised again by the connection's task
            self._error = error
        else:
            if reached is self._turnstile and inbox.is_awaited:
                inbox.consumer = consumer
                return
            if reached is NOT_ENTERED:
                inbox.put(message)
            else:
                self._reached = reached
        self._go_on()

    def _go_on(self) -> None:
        assert self._parked is not None
        if not self._parked.done():
            self._parked.set_result(None)


class _Mark:
    """Stands for something that is no suspension."""


ENDED = _Mark()
NOT_ENTERED = _Mark()


def _sent(coroutine: Coroutine[Any, Any, object], value: object) -> object:
    try:
        return coroutine.send(value)
    except StopIteration:
        return ENDED


def _thrown(coroutine: Coroutine[Any, Any, object], error: BaseException) -> object:
    try:
        return coroutine.throw(error)
    except StopIteration:
        return ENDED

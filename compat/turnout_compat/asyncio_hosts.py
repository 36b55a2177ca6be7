"""Where handlers run on asyncio: in the connection's task, in a thread, or in a greenlet."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Coroutine
from contextvars import Context, copy_context
from functools import partial
from typing import TYPE_CHECKING, Any

from turnout.close import GOING_AWAY
from turnout.drive import drive
from turnout.errors import EngineNotInstalledError
from turnout.runtime import Host, set_current_caller
from turnout.session.blocking import BlockingSession
from turnout.session.lifecycle import Lifecycle, SessionControl
from turnout_compat.asyncio_stepping import TaskStepper
from turnout_compat.asyncio_threads import ThreadControl, ThreadInbox, ThreadSession

if TYPE_CHECKING:
    from turnout.handlers.traits import PreparedHandler
    from turnout.runtime import Ended, Task
    from turnout.session.session import WebSocketSession
    from turnout_compat.asyncio_runtime import AsyncioRuntime

__all__ = ["GreenletHost", "TaskHost", "ThreadHost", "outlast"]

log = logging.getLogger("turnout.handler")


class TaskDeadline:
    """Cancels the task of a handler that outlives its session by `close_timeout`."""

    __slots__ = ("_passed", "_session", "_task")

    def __init__(self, session: WebSocketSession, task: asyncio.Task[Any]) -> None:
        self._session = session
        self._task = task
        self._passed = False
        session.on_deadline(self._cancel)

    def _cancel(self) -> None:
        self._passed = True
        log.warning("the handler of session %s was cancelled: close_timeout", self._session.id)
        self._task.cancel()

    def take_back(self) -> bool:
        """Undo the cancellation, if there was one; tell whether it was the only one."""
        return self._passed and self._task.uncancel() == 0


async def _run_in_task(
    session: WebSocketSession, life: Lifecycle, stepper: TaskStepper | None = None
) -> None:
    task = asyncio.current_task()
    assert task is not None
    if stepper is not None:
        stepper.task = task
    deadline = TaskDeadline(session, task)
    failed = _start(session)
    try:
        await life.run()
    except asyncio.CancelledError:
        if not deadline.take_back():
            raise
    else:
        deadline.take_back()
    if failed is not None:
        raise failed


def _start(session: WebSocketSession) -> Exception | None:
    """Start a session; return why its engine cannot: to be raised when the handler has ended."""
    try:
        session.start()
    except Exception as error:
        session.connection.abort()
        return error
    return None


class TaskHost(Host):
    """Runs `async def` handlers in the connection's task."""

    def __init__(self, runtime: AsyncioRuntime) -> None:
        self._runtime = runtime

    async def run(self, session: WebSocketSession, prepared: PreparedHandler) -> None:
        """Run the handler in the current task, where its context can be had, else in one beside."""
        if sys.version_info >= (3, 12):
            task = asyncio.current_task()
            assert task is not None
            await self._run(session, prepared, task.get_context())
        else:
            await _join(self._create_task(session, prepared), self._runtime)

    def spawn(
        self, session: WebSocketSession, prepared: PreparedHandler, ended: Ended
    ) -> Task[None]:
        """Do what `run` does in a task of its own, which is returned; call `ended` behind it."""
        task = self._create_task(session, prepared)
        task.add_done_callback(partial(_tell_ended, ended, session))
        return self._runtime.task(task)

    def _create_task(
        self, session: WebSocketSession, prepared: PreparedHandler
    ) -> asyncio.Task[None]:
        context = copy_context()
        running = self._run(session, prepared, context)
        return self._runtime.loop.create_task(running, context=context)

    def _run(
        self, session: WebSocketSession, prepared: PreparedHandler, context: Context
    ) -> Coroutine[Any, Any, None]:
        stepper = TaskStepper(self._runtime.loop, context)
        life = Lifecycle(prepared, session, session, SessionControl(session), stepper)
        return _run_in_task(session, life, stepper)


def _tell_ended(ended: Ended, session: WebSocketSession, task: asyncio.Task[None]) -> None:
    ended(session, asyncio.CancelledError() if task.cancelled() else task.exception())


def _tell(ended: asyncio.Future[None]) -> None:
    if not ended.done():
        ended.set_result(None)


async def outlast(task: Task[None]) -> asyncio.CancelledError | None:
    """Return when a task has ended, however it did.

    A cancellation of the caller goes on to the task, and is returned at the end. Unlike with
    `await`, it lets the task begin before it reaches it.
    """
    cancelled: asyncio.CancelledError | None = None
    while not task.done:
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        task.on_done(partial(_tell, ended))
        try:
            await ended
        except asyncio.CancelledError as error:
            cancelled = error
            task.cancel()
    return cancelled


async def _join(task: asyncio.Task[None], runtime: AsyncioRuntime) -> None:
    cancelled = await outlast(runtime.task(task))
    task.result()
    if cancelled is not None:
        raise cancelled


class ThreadHost(Host):
    """Runs plain `def` handlers, each connection in a thread of its own."""

    def __init__(self, runtime: AsyncioRuntime) -> None:
        self._runtime = runtime

    async def run(self, session: WebSocketSession, prepared: PreparedHandler) -> None:
        """Run the handler's whole life in a new thread, with the caller's context variables."""
        inbox = ThreadInbox(session.connection, session.options.receive_buffer, self._runtime)
        face = ThreadSession(session, self._runtime, inbox)
        session.use(inbox, face)
        life = self._life_of(session, prepared, face, ThreadControl(face, inbox))
        name = f"turnout-{session.id}"
        ended = self._runtime.loop.create_task(self._serve(life, name), name=name)
        overdue = asyncio.Event()
        session.on_deadline(overdue.set)
        ended.add_done_callback(lambda _: overdue.set())
        failed = _start(session)
        cancelled = await self._wait(session, overdue)
        if not ended.done():
            await self._interrupt(life, ended)
        if ended.done():
            ended.result()
        else:
            log.error(
                "thread %s still runs the handler of a session that is over: close_timeout",
                name,
            )
            await self._in_thread(life.finish, f"{name}-closed")
        if cancelled is not None:
            raise cancelled
        if failed is not None:
            raise failed

    def _life_of(
        self,
        session: WebSocketSession,
        prepared: PreparedHandler,
        face: ThreadSession,
        control: ThreadControl,
    ) -> Lifecycle:
        return Lifecycle(prepared, session, face, control)

    async def _serve(self, life: Lifecycle, name: str) -> None:
        await self._in_thread(life.run, name)

    async def _interrupt(self, life: Lifecycle, ended: asyncio.Future[None]) -> None:
        """Try to end a handler that is overdue: its thread cannot be made to."""

    async def _in_thread(self, life: Any, name: str) -> None:
        await self._runtime.run_plain(lambda: drive(life()), name=name)

    async def _wait(
        self, session: WebSocketSession, overdue: asyncio.Event
    ) -> asyncio.CancelledError | None:
        """Wait for the thread or the deadline; return a cancellation, which closes the session."""
        cancelled: asyncio.CancelledError | None = None
        while not overdue.is_set():
            try:
                await overdue.wait()
            except asyncio.CancelledError as error:
                cancelled = error
                session.begin_close(GOING_AWAY)
        return cancelled


class GreenletHost(Host):
    """Runs plain `def` handlers in a greenlet of the connection's task (`bridge="greenlet"`).

    For handlers that only talk to the session: whatever else blocks, blocks the event loop.
    """

    def __init__(self, runtime: AsyncioRuntime) -> None:
        try:
            from turnout_compat.asyncio_greenlet import GreenletBridge
        except ImportError as error:
            raise EngineNotInstalledError(
                'bridge="greenlet" needs greenlet: pip install "turnout[greenlet]"'
            ) from error
        self._runtime = runtime
        self._make_bridge = GreenletBridge

    async def run(self, session: WebSocketSession, prepared: PreparedHandler) -> None:
        """Run the handler's whole life in a greenlet that is switched to from this task."""
        bridge = self._make_bridge(self._runtime)
        face = BlockingSession(session, self._runtime, bridge.call)
        life = Lifecycle(prepared, session, face, SessionControl(session))
        set_current_caller(bridge.call)
        await _run_in_task(session, _Bridged(bridge, life))


class _Bridged(Lifecycle):
    """A lifecycle that runs inside a greenlet."""

    __slots__ = ("_bridge", "_life")

    def __init__(self, bridge: Any, life: Lifecycle) -> None:
        self._bridge = bridge
        self._life = life

    async def run(self) -> None:
        """Run the life in the greenlet; what it waits for, the task waits for."""
        await self._bridge.run(self._life.run())

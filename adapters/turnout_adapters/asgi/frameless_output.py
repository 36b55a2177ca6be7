"""The way out to a host of which turnout has nothing but the events of ASGI."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from typing import TYPE_CHECKING

from turnout.close import NO_CLOSE_FRAME
from turnout.errors import ConnectionClosed
from turnout_adapters.asgi.connection import AsgiConnection

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from turnout.strategy import Upgrade
    from turnout_adapters.asgi.request import AsgiRequest
    from turnout_adapters.asgi.response import AsgiResponse
    from turnout_adapters.asgi.types import Event

__all__ = ["FramelessOutput"]


class FramelessOutput(AsgiConnection):
    """Sends one event after the other, without a task where the host's `send` returns a future.

    What that does has begun by then; of the others, a task awaits what they return.
    """

    def __init__(self, request: AsgiRequest, response: AsgiResponse, upgrade: Upgrade) -> None:
        super().__init__(request, response, upgrade)
        self._begin = response.begin
        self._settle = response.settle
        self._reader: asyncio.Task[None] | None = None
        self._sending: asyncio.Future[None] | None = None
        self._sent_all: asyncio.Future[None] | None = None
        self._is_followed = False
        self._takes = False
        self._has_answered = False

    async def _wait_ended(self) -> None:
        await super()._wait_ended()
        if self._reader is not None:  # which the writer may have begun anew
            await asyncio.wait([self._reader])
        if self._sending is not None:  # the host may block until this is over
            self._sent_all = self._loop.create_future()
            self._follow()
            await self._sent_all

    def _post(self, event: Event) -> None:
        if self._sending is not None and self._sending.done() and not self._is_followed:
            self._sent(self._sending)
        if self._lost:
            return
        if self._writer is not None:
            self._outbound.append(event)
        elif self._sending is not None:
            self.session.pause_writing()
            self._outbound.append(event)
            self._follow()
        elif event["type"] == "websocket.close":
            self._outbound.append(event)
            self._start_writing()
        else:
            self._begin_sending(event)

    def _begin_sending(self, event: Event) -> None:
        try:
            begun = self._begin(event)
        except Exception as error:  # it is not the fault of whoever sends
            self._loop.call_soon(self._fail_writing, error)
            return
        if not asyncio.isfuture(begun):
            self.session.pause_writing()
            self._writer = self._loop.create_task(self._go_on(begun))
            return
        self._sending = begun
        self._has_answered = True
        if not self._takes:
            self._follow()

    def _follow(self) -> None:
        """Have the end of what is being sent told.

        That of an answer need not be: whether it is through is seen when the next is to be sent,
        and what would be told of a client that has gone, by what is received meanwhile.
        """
        if self._sending is not None and not self._is_followed:
            self._is_followed = True
            self._sending.add_done_callback(self._sent)

    async def _go_on(self, begun: Awaitable[None]) -> None:
        try:
            await self._settle(begun)
        except Exception as error:
            self._writer = None
            self._fail_writing(error)
        else:
            await self._write()

    def _sent(self, sending: asyncio.Future[None]) -> None:
        self._sending = None
        self._is_followed = False
        if self._sent_all is not None and not self._sent_all.done():
            self._sent_all.set_result(None)
        try:
            sending.result()  # futures of granian 2.8.0 have no `cancelled`
        except asyncio.CancelledError:
            pass
        except Exception as error:
            gone = ConnectionClosed(NO_CLOSE_FRAME)
            gone.__cause__ = error
            self._fail_writing(gone)
            return
        if self._outbound:
            self._send_on()

    def _send_on(self) -> None:
        if self._outbound[0]["type"] == "websocket.close":
            self._start_writing()
            return
        self._begin_sending(self._outbound.pop(0))
        if not self._outbound and self._writer is None:
            self.session.resume_writing()

    def _fail_writing(self, error: Exception) -> None:
        super()._fail_writing(error)
        self._cancel()
        self._connection_lost(error)

    @abstractmethod
    def _cancel(self) -> None:
        """Wait for nothing of the host's any more."""

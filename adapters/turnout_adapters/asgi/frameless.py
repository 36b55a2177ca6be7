"""One WebSocket over a host of which turnout has nothing but the events of ASGI.

What such a host reads next may end the connection, so what it has read is answered first, as it
would be by an application of its own. Where its calls have begun when they return, as granian's
have, that costs no task and no turn of the loop: the answer is on its way where the message came.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from turnout.close import NO_CLOSE_FRAME, NO_STATUS_CODE, CloseStatus
from turnout.errors import ConnectionClosed
from turnout.messages import BinaryMessage, whole_text
from turnout.protocol.limits import SizeLimits, too_big
from turnout_adapters.asgi.frameless_output import FramelessOutput
from turnout_compat.asyncio_stepping import call_outside
from turnout_compat.daphne_close import closing_daphne

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from turnout.strategy import Upgrade
    from turnout_adapters.asgi.request import AsgiRequest
    from turnout_adapters.asgi.response import AsgiResponse
    from turnout_adapters.asgi.strategy import AsgiStrategy
    from turnout_adapters.asgi.types import Event

__all__ = ["FramelessConnection"]

log = logging.getLogger("turnout.asgi")


class FramelessConnection(FramelessOutput):
    """Follows the calls of a host that are futures by callbacks, those of others by tasks."""

    def __init__(
        self,
        request: AsgiRequest,
        response: AsgiResponse,
        upgrade: Upgrade,
        strategy: AsgiStrategy,
    ) -> None:
        super().__init__(request, response, upgrade)
        self._request = request
        self._strategy = strategy
        self._limits = SizeLimits(upgrade.options, partial=False)
        self._receiving: asyncio.Future[Event] | None = None
        self._closes = False
        self._is_over_limit = False

    def abort(self) -> None:
        """Cut the connection; where it is out of reach, the application's return ends it."""
        super().abort()
        self._cancel()
        self._strategy.cut(self._request)
        if self._started:  # else there is no session that would have to know
            self._loop.call_soon(self._connection_lost, None)

    # Outwards

    async def _pass_on(self, event: Event) -> None:
        if event["type"] == "websocket.close":
            await self._close(event)
        else:
            await self._send(event)

    async def _close(self, event: Event) -> None:
        """Send a close frame; a host may keep it back for as long as anybody waits to receive."""
        self._closes = True
        self._stop_receiving()
        reader = self._reader
        if reader is not None and not reader.done():
            reader.cancel()
            await asyncio.wait([reader])
        async with self._strategy.closing(self._request):
            await self._send_close(event)
        self._closes = False
        if self._receiving is None and not self._lost:
            self._start_reading()

    async def _send_close(self, event: Event) -> None:
        try:
            await self._send(closing_daphne(event))
        except ConnectionClosed:
            raise
        except Exception as error:  # a subclass of daphne's may leave a server's codes to itself
            refused = "the server does not close with %s: %r; it is to close with 1000"
            log.warning(refused, event["code"], error)
            await self._send({"type": "websocket.close"})

    # Inwards

    def start(self) -> None:
        """Begin to read, without whoever calls the application."""
        super().start()
        self._start_reading()

    async def _read_once_started(self) -> None:
        """Do nothing."""

    def _start_reading(self) -> None:
        try:
            receiving = self._receive()
        except Exception as error:
            self._loop.call_soon(self._connection_lost, error)
            return
        if asyncio.isfuture(receiving):
            self._receiving = receiving
            receiving.add_done_callback(self._received)
        else:
            self._reader = self._loop.create_task(self._read_by_task(receiving))

    def _received(self, receiving: asyncio.Future[Event]) -> None:
        if receiving is not self._receiving:  # which was cancelled
            return
        self._receiving = None
        self._has_answered = False
        self._takes = True
        try:
            goes_on = self._take_or_end(receiving.result())
        except Exception as error:
            goes_on = False
            self._connection_lost(error)
        self._takes = False
        if goes_on:
            self._receive_next()

    def _take_or_end(self, event: Event) -> bool:
        """Take a message, or the end of the connection; tell whether it goes on."""
        if event["type"] != "websocket.disconnect":
            self._take(event)
            return True
        self._disconnected(event)
        self._connection_lost(None)
        return False

    def _receive_next(self) -> None:
        if self._has_answered and not self._outbound and not self._reading_paused:
            self._start_reading()
            return
        self._follow()
        if not self._closes:
            self._reader = self._loop.create_task(self._read_on())

    async def _read_on(self) -> None:
        await self._let_answer()
        self._start_reading()

    async def _read_by_task(self, receiving: Awaitable[Event]) -> None:
        task = asyncio.current_task()
        assert task is not None
        try:
            while call_outside(task, self._take_or_end, await receiving):
                await self._let_answer()
                receiving = self._receive()
        except Exception as error:
            self._connection_lost(error)

    async def _let_answer(self) -> None:
        """Let the handler answer before the host reads on, as it would under the host alone.

        What the host reads next may end the connection. One turn of the loop is the handler's, the
        other the writer's.
        """
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        if self._reading_paused:
            await self._wait_resumed()

    def _take(self, event: Event) -> None:
        self.heard = True
        text: str | None = event.get("text")
        if text is None:
            message: Any = BinaryMessage(event["bytes"])
            size, limit = len(message.payload), self._limits.binary
        else:
            message = whole_text(text)
            size, limit = len(text) if text.isascii() else len(text.encode()), self._limits.text
        if self._is_over_limit or self._close_sent:
            return
        if size > limit:
            self._is_over_limit = True
            self.session.failed(CloseStatus(1009), too_big(size, limit))
        else:
            self.session.message_received(message)

    def _disconnected(self, event: Event) -> None:
        """Take the end, which is also how the peer's close frame is told."""
        status = CloseStatus(event.get("code") or NO_STATUS_CODE.code, event.get("reason") or "")
        if status.code != NO_CLOSE_FRAME.code:
            self._close_sent = True
            self.session.close_received(status)

    def _stop_receiving(self) -> None:
        """Receive nothing more, but for what is here and was not told yet."""
        if self._receiving is not None and self._receiving.cancel():
            self._receiving = None

    def _cancel(self) -> None:
        self._stop_receiving()
        if self._sending is not None:
            self._sending.cancel()
        for task in (self._reader, self._writer):
            if task is not None and task is not asyncio.current_task():
                task.cancel()

"""A connection of the standard engine: requests are answered from a registry."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from turnout_adapters.wsproto.exchange import HttpExchange
from turnout_adapters.wsproto.views import H11Request, H11Response

if TYPE_CHECKING:
    import h11

    from turnout.service import WebSocketService

__all__ = ["HttpConnection"]


class HttpConnection(HttpExchange):
    """One connection until it ends, or until it becomes a WebSocket and leaves."""

    def __init__(
        self,
        service: WebSocketService,
        connections: set[HttpConnection],
        max_header_size: int,
    ) -> None:
        runtime = service.runtime
        super().__init__(runtime.loop, max_header_size)  # type: ignore[attr-defined]  # an AsyncioRuntime
        self._service = service
        self._connections = connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for a request."""
        super().connection_made(transport)
        if self._stopping:
            self.transport.close()
            return
        self._connections.add(self)
        self._expect_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Take it off the list, and tell the request that runs."""
        self._connections.discard(self)
        super().connection_lost(exc)

    async def answer(self, event: h11.Request) -> None:
        """Let the service answer; 404 for a path that is not registered."""
        request, response = H11Request(self, event), H11Response(self)
        if not await self._service.handle(request, response):
            await response.send(404, [("Content-Type", "text/plain")], b"Not Found")

    def next_request(self) -> None:
        """Wait for another request as for the first."""
        self._expect_request()
        super().next_request()

    def switch(self, headers: list[tuple[str, str]]) -> tuple[asyncio.Transport, bytes]:
        """Send the 101 and leave; return the transport and what came after the request."""
        switched = super().switch(headers)
        self._connections.discard(self)
        return switched

    def _expect_request(self) -> None:
        limit = self._service.registry.options.handshake_timeout
        if limit is not None:
            self._timer = self._loop.call_later(limit, self._request_timed_out)

    def _request_timed_out(self) -> None:
        if self._h11.trailing_data[0]:
            self._fail(408, b"The request did not arrive in time.")
        else:
            self.transport.close()

    # The server's calls

    def stop_when_idle(self) -> None:
        """Take no further request; close now if none is being answered."""
        self._stopping = True
        if self in self._connections and self.task is None:
            self.transport.close()

    def cut(self) -> None:
        """End whatever goes on."""
        if self.task is not None:
            self.task.cancel()
        self.transport.abort()

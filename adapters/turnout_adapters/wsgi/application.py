"""What WSGI applications that serve a registry have in common, whichever runtime they are on."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from turnout.errors import ConnectionClosed
from turnout.runtime import Runtime
from turnout.service import WebSocketService

if TYPE_CHECKING:
    from turnout.registry import WebSocketHandlerRegistry
    from turnout.strategy import RequestUpgradeStrategy
    from turnout_adapters.wsgi.views import WsgiApplication, WsgiRequest, WsgiResponse

__all__ = ["RegistryApplication"]

log = logging.getLogger("turnout.wsgi")

RuntimeT = TypeVar("RuntimeT", bound=Runtime)


class RegistryApplication(Generic[RuntimeT]):
    """Serves a registry, and leaves other requests to `app`.

    `service` holds the sessions. Call `drain` when the server stops.
    """

    def __init__(
        self,
        registry: WebSocketHandlerRegistry,
        strategy: RequestUpgradeStrategy,
        app: WsgiApplication | None,
        runtime: RuntimeT,
    ) -> None:
        self.runtime = runtime
        self.service = WebSocketService(registry, strategy, runtime)
        self._app = app

    def takes(self, request: WsgiRequest) -> bool:
        """Tell whether this answers a request; else the host's own application does."""
        return self._app is None or self.service.claims(request)

    async def _answer(self, request: WsgiRequest, response: WsgiResponse[Any]) -> None:
        try:
            if not await self.service.handle(request, response):
                await response.send(404, [("Content-Type", "text/plain")], b"Not Found")
        except ConnectionClosed:
            log.debug("the client went before it was answered")
            response.abandon()
        finally:
            response.release()

    def drain(self, timeout: float | None = None, code: int = 1001, reason: str = "") -> None:
        """Refuse new sessions, close all, and return when they are over; any thread may call it.

        See `WebSocketService.drain`.
        """
        self.runtime.call_blocking(self.service.drain(timeout, code, reason))

"""What the WSGI servers on gevent have in common: a session lives in the greenlet of its request.

So the server's bookkeeping of the request spans it. Handshake and driver are turnout's own; a
server's adapter says what its requests and responses are.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from contextvars import copy_context
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from turnout.capabilities import Capabilities
from turnout.drive import drive
from turnout.strategy import RequestUpgradeStrategy, Upgrade
from turnout_adapters.wsgi import (
    Environ,
    RegistryApplication,
    StartResponse,
    WsgiApplication,
    WsgiRequest,
    WsgiResponse,
)
from turnout_compat.gevent_connection import GeventConnection
from turnout_compat.gevent_hangup import GeventHangupWatch
from turnout_compat.gevent_runtime import GeventRuntime

if TYPE_CHECKING:
    from turnout.http import ServerHttpRequest, ServerHttpResponse
    from turnout.registry import WebSocketHandlerRegistry
    from turnout_compat.gevent_transport import GeventTransport

__all__ = [
    "GeventWsgiApplication",
    "GeventWsgiRequest",
    "GeventWsgiResponse",
    "GeventWsgiStrategy",
    "Upgraded",
]


@dataclass(frozen=True, slots=True)
class Upgraded:
    """A connection whose 101 is sent, and whose session is to be run."""

    upgrade: Upgrade
    connection: GeventConnection
    transport: GeventTransport


class GeventWsgiRequest(WsgiRequest):
    """A request whose socket can be had."""

    @property
    @abstractmethod
    def socket(self) -> Any:
        """The gevent socket of the connection."""


RequestT = TypeVar("RequestT", bound=GeventWsgiRequest)


class GeventWsgiResponse(WsgiResponse[RequestT]):
    """A response after which a session can be run; writing blocks the greenlet."""

    def __init__(
        self, request: RequestT, start_response: StartResponse, runtime: GeventRuntime
    ) -> None:
        super().__init__(request, start_response, runtime)
        self.runtime = runtime
        self.upgraded: Upgraded | None = None
        """The session to run, once the 101 is sent."""
        self.rest: Iterable[bytes] = ()
        """What the server is given for a body, in the end."""

    def watch_hangup(self, on_hangup: Callable[[], object]) -> GeventHangupWatch:
        """Return a watch in the hub."""
        return GeventHangupWatch(self.request.socket, self.runtime.hub, on_hangup)

    @abstractmethod
    def switch(self, upgrade: Upgrade, native: Any = None) -> tuple[GeventTransport, bytes]:
        """Write the 101; return the transport and what came after the request.

        The greenlet of the request must outlive the transport, and release it.
        """


class GeventWsgiStrategy(RequestUpgradeStrategy):
    """The standard driver on the gevent socket of a WSGI request."""

    runtime: ClassVar[str] = "gevent"
    capabilities: ClassVar[Capabilities] = Capabilities()

    async def upgrade(
        self, request: ServerHttpRequest, response: ServerHttpResponse, upgrade: Upgrade
    ) -> None:
        """Write the 101 and give the socket to the standard driver.

        The application runs the session when the handshake has returned: a greenlet keeps, and
        copies at every switch, the C stack of each coroutine that awaits another.
        """
        assert isinstance(request, GeventWsgiRequest)
        assert isinstance(response, GeventWsgiResponse)
        transport, early = response.switch(upgrade, self.native_of(request))
        connection = GeventConnection(
            transport,
            upgrade.options,
            upgrade.deflate,
            partial=upgrade.handler.partial,
            early_data=early,
        )
        transport.begin(connection)
        response.upgraded = Upgraded(upgrade, connection, transport)

    def native_of(self, request: Any) -> Any:
        """Return what becomes `session.native`."""
        return request.socket

    def run(self, upgraded: Upgraded) -> None:
        """Run a session in the calling greenlet; returns when it is over."""
        try:
            upgraded.upgrade.block(upgraded.connection)
        finally:
            upgraded.transport.release()


class GeventWsgiApplication(RegistryApplication[GeventRuntime], ABC):
    """A WSGI application that serves a registry on gevent, and leaves other requests to `app`.

    `service` holds the sessions. Call `drain` when the server stops.
    """

    def __init__(
        self,
        registry: WebSocketHandlerRegistry,
        strategy: GeventWsgiStrategy,
        app: WsgiApplication | None = None,
    ) -> None:
        super().__init__(registry, strategy, app, GeventRuntime())
        self._strategy = strategy

    @abstractmethod
    def views_of(
        self, environ: Environ, start_response: StartResponse
    ) -> tuple[WsgiRequest, Callable[[], GeventWsgiResponse[Any]]]:
        """Return the view of a request, and what makes that of its response."""

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request; returns when its session, if it became one, is over."""
        request, respond = self.views_of(environ, start_response)
        if self._app is not None and not self.takes(request):
            return self._app(environ, start_response)
        # A context of its own: one greenlet serves a connection's requests one after the other.
        response = respond()
        copy_context().run(self._serve, request, response)
        return response.rest

    def _serve(self, request: WsgiRequest, response: GeventWsgiResponse[Any]) -> None:
        drive(self._answer(request, response))
        if response.upgraded is not None:
            self._strategy.run(response.upgraded)

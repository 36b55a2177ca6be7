"""The upgrade strategy of an ASGI application whose host is not known."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, ClassVar, cast

from turnout.capabilities import Capabilities
from turnout.errors import ConfigurationError
from turnout.handshake.refusal import logged_refusal, refuse
from turnout.strategy import RequestUpgradeStrategy, Upgrade
from turnout_adapters.asgi.connection import AsgiConnection
from turnout_adapters.asgi.frameless import FramelessConnection
from turnout_adapters.asgi.takeover import takeover_host
from turnout_compat.asgi_frames import frames_of
from turnout_compat.asyncio_hosts import outlast

if TYPE_CHECKING:
    from turnout.http import ServerHttpRequest, ServerHttpResponse
    from turnout.registry import WebSocketHandlerRegistry
    from turnout.runtime import Task
    from turnout.serving import ServerSettings
    from turnout_adapters.asgi.request import AsgiRequest
    from turnout_adapters.asgi.response import AsgiResponse

__all__ = ["AsgiStrategy"]


class AsgiStrategy(RequestUpgradeStrategy):
    """WebSockets as an ASGI host gives them: whole messages, no control frames.

    `session.native` is the scope.
    """

    name: ClassVar[str] = "asgi"
    runtime: ClassVar[str] = "asyncio"
    capabilities: ClassVar[Capabilities] = Capabilities(
        deflate=False,
        partial_messages=False,
        partial_send=False,
        ping_round_trip=False,
        early_bytes=False,
        bounded_heads=False,
        handshake_checks=False,
        plain_refusals=False,
        accept_headers=False,
        control_frames=False,
        violation_codes=False,
        early_limits=False,
        close_details=False,
        unsupported_options=frozenset({"ping_interval", "ping_timeout"}),
    )

    needs_own_server: ClassVar[bool] = False
    """True where its capabilities are those of its own server, which has `Frames`."""

    async def upgrade(
        self, request: ServerHttpRequest, response: ServerHttpResponse, upgrade: Upgrade
    ) -> None:
        """Accept, and begin a session over the events of the scope; `rest` waits for its end.

        A host that has turnout's own driver gives its connection away instead.
        """
        if request.native["type"] != "websocket":
            with logged_refusal(request, "the ASGI server"):
                refuse(400, "The server takes this request for plain HTTP.")
        asgi_request, asgi_response = cast("AsgiRequest", request), cast("AsgiResponse", response)
        await asgi_request.receiver.release()  # an interceptor may watch; now the session reads
        host = takeover_host(request.native)
        if host is not None:
            asgi_response.started = True
            session = await upgrade.start(host.take_over(upgrade))
            asgi_response.rest = partial(_wait_for, session)
            return
        await asgi_response.accept(upgrade.response_headers)
        connection = self._connection_of(asgi_request, asgi_response, upgrade)
        asgi_response.rest = partial(connection.serve, await upgrade.start(connection))

    def _connection_of(
        self, request: AsgiRequest, response: AsgiResponse, upgrade: Upgrade
    ) -> AsgiConnection:
        if frames_of(request.native) is None:
            return FramelessConnection(request, response, upgrade, self)
        return AsgiConnection(request, response, upgrade)

    def closing(self, request: AsgiRequest) -> AbstractAsyncContextManager[None]:
        """Return what surrounds the close frame of a host that has no `Frames`."""
        return nullcontext()

    def cut(self, request: AsgiRequest) -> None:
        """Cut the connection of a request; a host whose connections are out of reach ends it."""

    def serve(self, registry: WebSocketHandlerRegistry, settings: ServerSettings) -> None:
        """Raise `ConfigurationError`: ASGI is no server."""
        raise ConfigurationError(
            "the ASGI strategy has no server of its own: run the application that `mount` returns"
            " under one, or serve with the engine uvicorn, hypercorn, daphne or granian"
        )


async def _wait_for(session: Task[None]) -> None:
    """Return when a session is over; what cancels this, cancels it too."""
    cancelled = await outlast(session)
    if cancelled is not None:
        raise cancelled

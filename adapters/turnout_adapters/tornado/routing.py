"""How a request comes to turnout: beside the routes of an application that exists, or alone."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any, cast

from tornado.httputil import HTTPMessageDelegate
from tornado.routing import AnyMatches, Router, Rule

from turnout.errors import ConfigurationError, ConnectionClosed
from turnout.service import WebSocketService
from turnout_adapters.tornado.body import RequestBody
from turnout_adapters.tornado.strategy import TornadoStrategy
from turnout_adapters.tornado.views import TornadoRequest, TornadoResponse, connection_of
from turnout_compat.asyncio_runtime import AsyncioRuntime

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine, ResponseStartLine
    from tornado.web import Application

    from turnout.registry import WebSocketHandlerRegistry

__all__ = ["TurnoutRouter", "mount", "route"]

log = logging.getLogger("turnout.tornado")


def mount(
    application: Application,
    registry: WebSocketHandlerRegistry,
    *,
    strategy: TornadoStrategy | None = None,
) -> WebSocketService:
    """Serve `registry` on an application that exists; its own routes stay as they are.

    Call it inside the running event loop. A path may have a `RequestHandler` for plain HTTP and a
    WebSocket handler: requests that ask for an upgrade come here, all others go there. Tornado has
    no shutdown hook: call `await stop(server, service)` where the program ends, or
    `await service.drain()`. Raises `ConfigurationError` when no event loop runs, for settings of
    `configure` (the server is the application's own), and for options that cannot be honoured.
    """
    strategy = strategy or TornadoStrategy()
    if strategy.native_settings:
        names = ", ".join(sorted(strategy.native_settings))
        raise ConfigurationError(
            f"mount uses the application's own server: set {names} there, not by configure()"
        )
    registry.options.check_mounted()
    return route(application, registry, strategy, alone=False)


def route(
    application: Application,
    registry: WebSocketHandlerRegistry,
    strategy: TornadoStrategy,
    *,
    alone: bool,
) -> WebSocketService:
    """Put turnout before an application's routes; `alone`, it answers for all of its paths."""
    try:
        runtime = AsyncioRuntime()
    except RuntimeError as error:
        raise ConfigurationError(
            "no event loop is running: call mount() inside it, for example in the `async def`"
            " that asyncio.run() gets"
        ) from error
    service = WebSocketService(registry, strategy, runtime)
    router = TurnoutRouter(application, service, alone=alone)
    # First of all: routes of the application may match the same path.
    application.default_router.rules.insert(0, Rule(AnyMatches(), router))
    return service


class TurnoutRouter(Router):
    """Takes the requests that are turnout's; Tornado goes on with its next rule for the others."""

    def __init__(self, application: Application, service: WebSocketService, *, alone: bool) -> None:
        self.application = application
        self.service = service
        self.strategy = cast("TornadoStrategy", service.strategy)
        self._alone = alone

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> HTTPMessageDelegate | None:
        """Return what answers the request, or None when it is not turnout's."""
        view = TornadoRequest(request)
        if self._alone and _head_size(request) > self.strategy.max_header_size:
            return OversizedDelegate(self, request, view)
        if self.service.claims(view) or (self._alone and self._knows(view)):
            return RequestDelegate(self, request, view)
        return None

    def _knows(self, request: TornadoRequest) -> bool:
        return self.service.registry.find(request.raw_path) is not None


class RequestDelegate(HTTPMessageDelegate):
    """One request: Tornado feeds it, a task of its own answers it."""

    def __init__(
        self, router: TurnoutRouter, request: HTTPServerRequest, view: TornadoRequest
    ) -> None:
        self._router = router
        self._connection = connection_of(request)
        self._view = view
        self._handler = router.strategy.handler_class(router.application, request)
        self._body = view.body = RequestBody()
        self._response = TornadoResponse(self._handler, self._body)
        view.native = self._handler

    # What Tornado calls

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        """Begin to answer; the body is read beside that."""
        self._connection.set_close_callback(self.on_connection_close)
        if "Content-Length" in headers or "Transfer-Encoding" in headers:
            # The first holds after the request only, this one while its body is read.
            stream: Any = self._connection.stream  # None only when the connection is over
            stream.set_close_callback(self.on_connection_close)
        task = asyncio.get_running_loop().create_task(self._answer())
        self._router.strategy.requests.add(task)
        task.add_done_callback(self._router.strategy.requests.discard)
        return None

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """Take a piece of the body."""
        return self._body.feed(chunk)

    def finish(self) -> None:
        """Note the end of the body."""
        self._body.end()

    def on_connection_close(self) -> None:
        """Note that the client has gone."""
        self._body.lose()
        self._response.lose()

    # The answer

    async def _answer(self) -> None:
        try:
            await self._router.service.handle(self._view, self._response)
            if not self._response.finished:
                log.error("an HTTP handler did not finish its answer; the connection is cut")
                self._connection.close()
        except ConnectionClosed:
            self._connection.close()  # the client went; there is nobody to tell
        except BaseException as error:
            self._connection.close()
            if not isinstance(error, Exception):
                raise
            log.exception("a request could not be answered")
        finally:
            if self._response.started and self._handler.get_status() != 101:
                self._router.application.log_request(self._handler)


class OversizedDelegate(RequestDelegate):
    """A request whose head is too large: Tornado itself would end the connection without a word."""

    async def _answer(self) -> None:
        sentence = b"The head of the request is too large."
        with contextlib.suppress(ConnectionClosed):
            await self._response.send(
                431, [("Content-Type", "text/plain"), ("Connection", "close")], sentence
            )
        self._connection.close()


def _head_size(request: HTTPServerRequest) -> int:
    fields = sum(len(name) + len(value) for name, value in request.headers.get_all())
    return fields + len(request.uri or "")

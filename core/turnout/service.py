"""One registry served through one strategy: routing, handshakes, sessions, and their end."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

from turnout.close import GOING_AWAY, CloseStatus
from turnout.errors import BodyTooLargeError, ConnectionClosed, HandshakeRefused
from turnout.handshake.interceptors import InterceptorChain
from turnout.handshake.refusal import describe_request, logged_refusal, refuse
from turnout.http.blocking import BlockingRequest, BlockingResponse
from turnout.runtime import set_current_caller, set_current_runtime, settle
from turnout.session.session import WebSocketSession
from turnout.strategy import Upgrade

if TYPE_CHECKING:
    from turnout.http import ServerHttpRequest, ServerHttpResponse
    from turnout.registration import HttpRegistration, WebSocketHandlerRegistration
    from turnout.registry import WebSocketHandlerRegistry
    from turnout.runtime import Host, Runtime, Task, Waiter
    from turnout.session.connection import Connection
    from turnout.strategy import RequestUpgradeStrategy

__all__ = ["WebSocketService"]

log: logging.Logger = logging.getLogger("turnout.service")


class WebSocketService:
    """What an adapter holds: give it requests, it answers them or says that they are not its own.

    Raises `UnsupportedOptionError` when the strategy cannot honour an option that was set.
    """

    def __init__(
        self,
        registry: WebSocketHandlerRegistry,
        strategy: RequestUpgradeStrategy,
        runtime: Runtime,
    ) -> None:
        self.registry = registry
        self.strategy = strategy
        self.runtime = runtime
        self.draining: bool = False
        self._closing_with = GOING_AWAY
        self._handshakes: set[_Pending] = set()
        self._sessions: dict[str, WebSocketSession] = {}
        self._drained: list[Waiter] = []
        registry.join(self)

    def __len__(self) -> int:
        """Return how many sessions are open."""
        return len(self._sessions)

    def __bool__(self) -> bool:
        return True

    @property
    def is_idle(self) -> bool:
        """True while there is neither a session nor a handshake under way."""
        return not self._sessions and not self._handshakes

    def check(self, registration: WebSocketHandlerRegistration) -> None:
        """Raise when this server cannot run a handler as it is registered.

        `UnsupportedOptionError` for an option, `EngineNotInstalledError` for a bridge whose package
        is missing.
        """
        registration.options.check_supported(self.strategy.name, self.strategy.capabilities)
        self.runtime.host(registration.prepared)

    # Requests

    def claims(self, request: ServerHttpRequest) -> bool:
        """Tell whether a host that has routes of its own should leave this request to turnout.

        It should when the path has a plain HTTP handler here, or when it has a WebSocket handler
        and the request asks for an upgrade.
        """
        path = request.raw_path
        if self.registry.find_http(path) is not None:
            return True
        return self.registry.find(path) is not None and asks_for_upgrade(request)

    async def handle(self, request: ServerHttpRequest, response: ServerHttpResponse) -> bool:
        """Answer a request; false, with nothing sent, when its path is not registered.

        Returns when the response is sent. After an upgrade it returns when the session is over or,
        where the strategy starts sessions in tasks of their own, has begun.
        """
        set_current_runtime(self.runtime)
        set_current_caller(self.runtime.call_blocking)
        websocket = self.registry.find(request.raw_path)
        http = self.registry.find_http(request.raw_path)
        if http is not None and websocket is None and request.method == "CONNECT":
            await response.send(501)  # a success would make this connection a tunnel
        elif http is not None and (websocket is None or not asks_for_upgrade(request)):
            request.path_variables = http[1]
            await self._answer(request, response, http[0])
        elif websocket is not None:
            request.path_variables = websocket[1]
            await self._shake_hands(request, response, websocket[0])
        else:
            return False
        return True

    # WebSocket

    async def _shake_hands(
        self,
        request: ServerHttpRequest,
        response: ServerHttpResponse,
        registration: WebSocketHandlerRegistration,
    ) -> None:
        pending = _Pending(self)
        self._handshakes.add(pending)
        try:
            await self._upgrade(request, response, registration, pending)
        except ConnectionClosed:
            log.debug("the client went before its handshake was complete")
            raise
        except HandshakeRefused as refused:
            if not response.started:  # else an interceptor has answered by itself
                await response.send(refused.status, refused.headers, refused.body)
        except Exception:
            if response.started:
                log.exception("an upgrade failed (%s)", describe_request(request))
                raise
            log.exception("a handshake failed; answered 500 (%s)", describe_request(request))
            await response.send(500)
        finally:
            pending.settle()

    async def _upgrade(
        self,
        request: ServerHttpRequest,
        response: ServerHttpResponse,
        registration: WebSocketHandlerRegistration,
        pending: _Pending,
    ) -> None:
        handshake = registration.handshake_handler or self.registry.handshake_handler
        options, prepared = registration.options, registration.prepared
        origins = registration.policy_for(request.raw_path)
        handshake.check(request, self.strategy.supported_versions, origins)
        self._check_draining(request)
        self._check_room(request, options.max_connections)
        attributes: dict[str, Any] = {}
        interceptors = registration.interceptors
        chain = InterceptorChain(interceptors, request, response, prepared.original)
        if interceptors:
            await chain.before(attributes)
        try:
            negotiated = await handshake.negotiate(
                request, response, prepared, attributes, options, self.strategy.capabilities
            )
            self._check_draining(request)
            upgrade = Upgrade(
                uri=request.uri,
                headers=request.headers,
                path_variables=request.path_variables,
                attributes=attributes,
                principal=negotiated.principal,
                sub_protocol=negotiated.sub_protocol,
                extensions=negotiated.extensions,
                deflate=negotiated.deflate,
                response_headers=negotiated.response_headers,
                handler=prepared,
                options=options,
                service=self,
                on_upgraded=(lambda: chain.after(None)) if interceptors else None,
                on_session=pending.settle,
            )
            await self.strategy.upgrade(request, response, upgrade)
        except BaseException as error:
            await chain.after(error)  # does nothing once the 101 was reported
            raise

    def _check_draining(self, request: ServerHttpRequest) -> None:
        if self.draining:
            with logged_refusal(request, type(self).__qualname__):
                refuse(503, "The server is shutting down.", headers=[("Connection", "close")])

    def _check_room(self, request: ServerHttpRequest, limit: int | None) -> None:
        if limit is not None and len(self._sessions) + len(self._handshakes) > limit:
            with logged_refusal(request, type(self).__qualname__):
                refuse(503, "The server has as many connections as it takes.")

    def handshake_settled(self, handshake: _Pending) -> None:
        """Note that a handshake has become a session, or never will; any thread may call it."""
        self._handshakes.discard(handshake)
        if self.draining:
            self.runtime.of_sessions.call_inside(self._wake_drained)

    async def run_session(self, upgrade: Upgrade, connection: Connection) -> None:
        """Run a session from its first message to the end of its handler.

        It is called inside the runtime that sessions live in.
        """
        session, host = self._begin(upgrade, connection)
        try:
            await host.run(session, upgrade.handler)
        finally:
            self._end(session)

    def block_for_session(self, upgrade: Upgrade, connection: Connection) -> None:
        """Do what `run_session` does, blocking the caller."""
        session, host = self._begin(upgrade, connection)
        try:
            host.block(session, upgrade.handler)
        finally:
            self._end(session)

    def start_session(self, upgrade: Upgrade, connection: Connection) -> Task[None]:
        """Run a session in a task of its own, which is returned; called where `run_session` is."""
        session, host = self._begin(upgrade, connection)
        try:
            return host.spawn(session, upgrade.handler, self._ended)
        except BaseException:
            self._end(session)
            raise

    def _begin(self, upgrade: Upgrade, connection: Connection) -> tuple[WebSocketSession, Host]:
        runtime = self.runtime.of_sessions
        host = runtime.host(upgrade.handler)  # before anything knows of the session: it may raise
        session_class = runtime.session_class or WebSocketSession
        session = session_class(os.urandom(16).hex(), upgrade, connection, runtime)
        connection.session = session
        self._sessions[session.id] = session
        self.registry.note_session(session)
        if upgrade.on_session is not None:
            upgrade.on_session()
            upgrade.on_session = None
        upgrade.response_headers = []  # on the wire
        upgrade.headers.drop_index()
        if self.draining:
            session.begin_close(self._closing_with)
        return session, host

    def _end(self, session: WebSocketSession) -> None:
        session.finished()
        del self._sessions[session.id]
        self.registry.forget_session(session)
        self._wake_drained()

    def _ended(self, session: WebSocketSession, error: BaseException | None) -> None:
        self._end(session)
        if isinstance(error, Exception):
            log.error("session %s failed", session.id, exc_info=error)

    # Plain HTTP

    async def _answer(
        self,
        request: ServerHttpRequest,
        response: ServerHttpResponse,
        registration: HttpRegistration,
    ) -> None:
        try:
            if registration.colour == "async":
                await settle(registration.handle(request, response))
            else:
                blocking = (
                    BlockingRequest(request, self.runtime),
                    BlockingResponse(response, self.runtime),
                )
                await self.runtime.run_plain(
                    lambda: registration.handle(*blocking), name="turnout-http"
                )
        except ConnectionClosed:
            log.debug("the client went before its answer was complete")
            raise
        except Exception as error:
            refused = _refusal_of(error)
            if refused is None:
                log.exception("an HTTP handler raised (%s)", describe_request(request))
                refused = HandshakeRefused(500)
            if response.started:
                raise
            await response.send(refused.status, refused.headers, refused.body)
        else:
            if not response.started:
                log.error("an HTTP handler answered nothing (%s)", describe_request(request))
                await response.send(500)

    # The end

    async def drain(self, timeout: float | None = None, code: int = 1001, reason: str = "") -> None:
        """Refuse new handshakes, close every session, and return when all are over.

        Handshakes under way are refused, or become sessions that are closed. Each session has its
        own `close_timeout` for the peer and the handler; after `timeout` seconds (default: none of
        its own) what is left is cut and no longer waited for. Raises `InvalidCloseError` for a code
        or reason that may not be sent.
        """
        self._closing_with = CloseStatus(code, reason).check_sendable()
        await self.runtime.of_sessions.run_inside(self._drain(timeout))

    async def _drain(self, timeout: float | None) -> None:
        self.draining = True
        for session in list(self._sessions.values()):
            session.begin_close(self._closing_with)
        if not self.is_idle:
            await self._wait_until_drained(timeout)
        for session in list(self._sessions.values()):
            log.warning("session %s did not end while draining; it is cut", session.id)
            session.connection.abort()

    async def _wait_until_drained(self, timeout: float | None) -> None:
        timeouts = (session.options.close_timeout for session in self._sessions.values())
        longest = max(timeouts, default=self.registry.options.close_timeout)
        runtime = self.runtime.of_sessions
        waiter = runtime.waiter()
        self._drained.append(waiter)
        limit = longest + GRACE if timeout is None else timeout
        timer = runtime.call_later(limit, waiter.wake)
        try:
            await waiter
        finally:
            timer.cancel()

    def _wake_drained(self) -> None:
        if self.is_idle:
            waiters, self._drained = self._drained, []
            for waiter in waiters:
                waiter.wake()


GRACE = 1.0
"""Seconds for `after_connection_closed` of sessions that were cut at their `close_timeout`."""


class _Pending:
    """A handshake that counts against `max_connections` until it is settled."""

    __slots__ = ("_service",)

    def __init__(self, service: WebSocketService) -> None:
        self._service: WebSocketService | None = service

    def settle(self) -> None:
        """Count no more; harmless when repeated."""
        if self._service is not None:
            self._service.handshake_settled(self)
            self._service = None


def _refusal_of(error: Exception) -> HandshakeRefused | None:
    """Return what an HTTP handler's error answers, if it is meant to answer something."""
    if isinstance(error, BodyTooLargeError):
        return HandshakeRefused(413)
    return error if isinstance(error, HandshakeRefused) else None


def asks_for_upgrade(request: ServerHttpRequest) -> bool:
    """Tell whether a request means to become a WebSocket, however badly it is made."""
    if request.method == "CONNECT":
        return True
    return "websocket" in request.headers.get("upgrade", "").lower()

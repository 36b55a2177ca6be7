"""The registry: which handler serves which path, whatever server the request arrives on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from weakref import WeakSet

from turnout.errors import ConfigurationError, UsageError
from turnout.handlers.base import StreamWebSocketHandler, WebSocketHandler
from turnout.handlers.checks import sub_protocol_names
from turnout.handlers.decorators import (
    ExceptionWebSocketHandlerDecorator,
    LoggingWebSocketHandlerDecorator,
)
from turnout.handlers.stream import FunctionHandler
from turnout.handlers.traits import AnyHandler
from turnout.handshake.handler import HandshakeHandler
from turnout.handshake.origins import OriginPolicy, OriginPolicyTable
from turnout.options import WebSocketOptions
from turnout.paths import PathTable
from turnout.registration import (
    HttpRegistration,
    HttpRequestHandler,
    WebSocketHandlerRegistration,
    as_strings,
    checked_handshake_handler,
    checked_options,
)
from turnout.runtime import current_runtime

if TYPE_CHECKING:
    from turnout.handshake.interceptors import HandshakeInterceptor
    from turnout.service import WebSocketService
    from turnout.session.session import Sendable, WebSocketSession

__all__ = ["Decorators", "WebSocketHandlerRegistry"]

F = TypeVar("F", bound=Callable[..., Any])
Decorators = Sequence[Callable[[AnyHandler], AnyHandler]]

DEFAULT_DECORATORS: Decorators = (
    LoggingWebSocketHandlerDecorator,
    ExceptionWebSocketHandlerDecorator,
)


class WebSocketHandlerRegistry:
    """Handlers by path, with what is common to them.

    `decorators` wrap every handler, the last one outermost; the default logs, and closes with 1011
    when a handler raises. `trusted_proxies` are those whose forwarded headers count. Handlers may
    be added while it is being served, until `freeze`.
    """

    def __init__(
        self,
        *,
        options: WebSocketOptions | None = None,
        handshake_handler: HandshakeHandler | None = None,
        decorators: Decorators = DEFAULT_DECORATORS,
        allowed_origins: str | Iterable[str] = (),
        allowed_origin_patterns: str | Iterable[str] = (),
        trusted_proxies: str | Iterable[str] = (),
    ) -> None:
        self.options: WebSocketOptions = checked_options(options)
        self.handshake_handler: HandshakeHandler = checked_handshake_handler(
            handshake_handler or HandshakeHandler()
        )
        own = OriginPolicy.of(allowed_origins, allowed_origin_patterns, trusted_proxies)
        self.policy: OriginPolicy = own.combined_with()
        self.origins: OriginPolicyTable = OriginPolicyTable()
        self._decorators = tuple(decorators)
        self._websockets: PathTable[WebSocketHandlerRegistration] = PathTable()
        self._http: PathTable[HttpRegistration] = PathTable()
        self._registrations: list[WebSocketHandlerRegistration] = []
        # Whoever serves holds its service: one that was stopped is not kept by its registry.
        self._services: WeakSet[WebSocketService] = WeakSet()
        self._sessions: dict[str, WebSocketSession] = {}
        self._frozen = False

    # Registering

    def add_handler(
        self,
        handler: AnyHandler,
        *paths: str,
        options: WebSocketOptions | None = None,
        allowed_origins: str | Iterable[str] = (),
        interceptors: Iterable[HandshakeInterceptor] = (),
        bridge: Literal["greenlet"] | None = None,
        async_runtime: Literal["asyncio"] | None = None,
    ) -> WebSocketHandlerRegistration:
        """Register a handler at one or more path templates such as `/chat/{room}`.

        Raises `ConfigurationError` for a path that is taken or malformed, for a handler that mixes
        `async def` and plain `def`, for origins without scheme, and when frozen.
        """
        self.check_open()
        _check_handler(handler, paths)
        registration = WebSocketHandlerRegistration(
            self, handler, bridge=bridge, async_runtime=async_runtime
        )
        registration.set_options(options)
        registration.set_allowed_origins(*as_strings(allowed_origins))
        registration.add_interceptors(*interceptors)
        for service in self._services:
            service.check(registration)
        self._websockets.add_all(paths, registration)
        self._registrations.append(registration)
        return registration

    def websocket(
        self,
        *paths: str,
        partial: bool = False,
        control_frames: bool = False,
        sub_protocols: str | Sequence[str] = (),
        **settings: Any,
    ) -> Callable[[F], F]:
        """Register the decorated function or class as a handler; see `add_handler` for settings.

        A function takes the session and is a stream handler, and so is a class that is no handler
        yet and has a `handle` method; a class is made once, without arguments. `partial` delivers
        pieces of messages as they come, `control_frames` shows pings and pongs too.
        """
        _check_paths(paths)  # here, for who forgets the parentheses of the decorator

        def register(target: F) -> F:
            handler = _handler_of(target, partial, control_frames, sub_protocols)
            self.add_handler(handler, *paths, **settings)
            return target

        return register

    def add_http_handler(
        self, handler: HttpRequestHandler | Callable[[Any, Any], Any], *paths: str
    ) -> None:
        """Answer plain HTTP at these path templates; WebSocket handlers may share them."""
        self.check_open()
        _check_paths(paths)
        registration = HttpRegistration.of(handler)
        self._http.add_all(paths, registration)

    def allow_origins_at(
        self,
        pattern: str,
        *origins: str,
        patterns: str | Iterable[str] = (),
    ) -> None:
        """Allow origins for all paths that fit a pattern such as `/api/**`, beside other rules."""
        self.check_open()
        self.origins.add(pattern, OriginPolicy.of(origins, patterns))

    def freeze(self) -> None:
        """Let nothing more be registered."""
        self._frozen = True

    def check_open(self) -> None:
        """Raise `ConfigurationError` when frozen."""
        if self._frozen:
            raise ConfigurationError("the registry is frozen: register handlers before freeze()")

    def decorate(self, handler: AnyHandler) -> AnyHandler:
        """Wrap a handler in the registry's decorators."""
        for decorator in self._decorators:
            handler = decorator(handler)
        return handler

    # Looking up

    def find(self, raw_path: str) -> tuple[WebSocketHandlerRegistration, dict[str, str]] | None:
        """Return the WebSocket registration of a path, with its variables."""
        return self._websockets.match(raw_path)

    def find_http(self, raw_path: str) -> tuple[HttpRegistration, dict[str, str]] | None:
        """Return the plain HTTP handler of a path, with its variables."""
        return self._http.match(raw_path)

    @property
    def paths(self) -> list[str]:
        """The path templates of all WebSocket handlers."""
        return [template.text for template in self._websockets.templates]

    def check_options(self, options: WebSocketOptions) -> None:
        """Raise `UnsupportedOptionError` when a server that serves this cannot honour them."""
        for service in self._services:
            options.check_supported(service.strategy.name, service.strategy.capabilities)

    def join(self, service: WebSocketService) -> None:
        """Take note of a server that serves this; raise when it cannot do what is asked of it."""
        for registration in self._registrations:
            service.check(registration)
        self.options.check_supported(service.strategy.name, service.strategy.capabilities)
        self._services.add(service)

    # Sessions

    @property
    def sessions(self) -> Mapping[str, WebSocketSession]:
        """All open sessions by id, of every server that serves this registry.

        Plain code uses a session's `blocking` view.
        """
        return MappingProxyType(self._sessions)

    def note_session(self, session: WebSocketSession) -> None:
        """Add a session that begins."""
        self._sessions[session.id] = session

    def forget_session(self, session: WebSocketSession) -> None:
        """Remove a session that is over."""
        self._sessions.pop(session.id, None)

    async def send(self, session_id: str, message: Sendable) -> bool:
        """Send to a session by its id; false when no such session is open."""
        session = self._sessions.get(session_id)
        if session is None or not session.is_open:
            return False
        await session.send(message)
        return True

    async def drain(self, timeout: float | None = None, code: int = 1001, reason: str = "") -> None:
        """Close every session of the calling runtime and refuse new ones; see the service's."""
        runtime = current_runtime()
        services = [
            service
            for service in self._services
            if runtime in (service.runtime, service.runtime.of_sessions)
        ]
        if not services:
            raise UsageError("this registry is not served here; drain the service that mount gave")
        for service in services:
            await service.drain(timeout, code, reason)


def _check_handler(handler: object, paths: Sequence[str]) -> None:
    if isinstance(handler, type):
        raise ConfigurationError(f"register an instance: {handler.__qualname__}(...)")
    if not isinstance(handler, (WebSocketHandler, StreamWebSocketHandler)):
        raise ConfigurationError(
            f"{handler!r} is no handler: derive its class from WebSocketHandler or"
            ' StreamWebSocketHandler, or put @registry.websocket("/path") above a function'
        )
    _check_paths(paths)


def _check_paths(paths: Sequence[object]) -> None:
    if not paths:
        raise ConfigurationError('a handler needs a path, as in @registry.websocket("/path")')
    for path in paths:
        if not isinstance(path, str):
            raise ConfigurationError(
                f'a path is a string, as in @registry.websocket("/path"), unlike {path!r}'
            )


def _handler_of(
    target: Any, partial: bool, control_frames: bool, sub_protocols: str | Sequence[str]
) -> Any:
    if not isinstance(target, type):
        return FunctionHandler(
            target, partial=partial, control_frames=control_frames, sub_protocols=sub_protocols
        )
    handler: Any = _handler_class(target)()
    if partial:
        handler.supports_partial_messages = True
    if control_frames:
        if not isinstance(handler, StreamWebSocketHandler):
            raise ConfigurationError(
                "control_frames= is for stream handlers: override handle_ping_message and"
                " handle_pong_message"
            )
        handler.receives_control_frames = True  # type: ignore[misc]  # of this object only
    if sub_protocols:
        handler.sub_protocols = sub_protocol_names(sub_protocols)
    return handler


def _handler_class(target: type[Any]) -> type[Any]:
    """Return a class as it is, or as a stream handler if it has just a `handle` method."""
    if issubclass(target, (WebSocketHandler, StreamWebSocketHandler)):
        return target
    if not callable(getattr(target, "handle", None)):
        return target
    named = {"__module__": target.__module__, "__qualname__": target.__qualname__}
    return type(target.__name__, (target, StreamWebSocketHandler), named)

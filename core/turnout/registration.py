"""What is registered: a handler, its paths, and everything set for it alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable

from turnout.errors import ConfigurationError
from turnout.handlers.checks import check_no_generator
from turnout.handlers.traits import AnyHandler, Colour, PreparedHandler, colour_of, prepare
from turnout.handshake.handler import HandshakeHandler
from turnout.handshake.interceptors import HandshakeInterceptor, prepare_interceptors
from turnout.handshake.origins import OriginPolicy, combine, policy_of
from turnout.options import WebSocketOptions

if TYPE_CHECKING:
    from turnout.registry import WebSocketHandlerRegistry

__all__ = ["HttpRegistration", "HttpRequestHandler", "WebSocketHandlerRegistration"]


@runtime_checkable
class HttpRequestHandler(Protocol):
    """Answers plain HTTP requests; `handle` is `async def` or plain `def`.

    A plain one gets blocking views of request and response: the same names, every call blocks.
    """

    def handle(self, request: Any, response: Any) -> Any:
        """Answer by `response.send`, or by `start`, `write` and `finish`."""


@dataclass(frozen=True, slots=True, eq=False)
class HttpRegistration:
    """A plain HTTP handler and its colour."""

    handle: Callable[[Any, Any], Any]
    colour: Colour

    @classmethod
    def of(cls, handler: HttpRequestHandler | Callable[[Any, Any], Any]) -> HttpRegistration:
        """Take a handler object or a function."""
        if isinstance(handler, type):
            raise ConfigurationError(f"register an instance: {handler.__qualname__}(...)")
        handle = handler.handle if isinstance(handler, HttpRequestHandler) else handler
        if not callable(handle):
            raise ConfigurationError(f"an HTTP handler is called, unlike {handler!r}")
        check_no_generator(repr(handler), handle)
        return cls(handle, colour_of(handle))


class WebSocketHandlerRegistration:
    """One handler at one or more paths; its setters return itself, so that they chain."""

    def __init__(
        self,
        registry: WebSocketHandlerRegistry,
        handler: AnyHandler,
        *,
        bridge: str | None = None,
        async_runtime: str | None = None,
    ) -> None:
        self._registry = registry
        self._own_options = WebSocketOptions()
        self._merged: tuple[WebSocketOptions, WebSocketOptions] | None = None
        self._origins: tuple[str, ...] = ()
        self._origin_patterns: tuple[str, ...] = ()
        self._trusted_proxies: tuple[str, ...] = ()
        self._handler_policy = policy_of(handler)
        self.prepared: PreparedHandler = prepare(
            handler, registry.decorate, bridge=bridge, async_runtime=async_runtime
        )
        self.policy: OriginPolicy = OriginPolicy()
        self.interceptors: tuple[HandshakeInterceptor, ...] = ()
        self.handshake_handler: HandshakeHandler | None = None
        self._update_policy()

    def add_handler(self, handler: AnyHandler, *paths: str) -> WebSocketHandlerRegistration:
        """Register another handler with the settings that this registration has now."""
        other = self._registry.add_handler(handler, *paths, options=self._own_options)
        other.add_interceptors(*self.interceptors)
        other.set_allowed_origins(*self._origins)
        other.set_allowed_origin_patterns(*self._origin_patterns)
        other.set_trusted_proxies(*self._trusted_proxies)
        other.handshake_handler = self.handshake_handler
        return other

    def set_allowed_origins(self, *origins: str) -> Self:
        """Replace the list of foreign origins that may connect: `https://...`, `*` or `null`.

        The server's own origin always may. Raises `ConfigurationError` for anything else.
        """
        OriginPolicy.of(origins)
        self._origins = origins
        return self._update_policy()

    def set_allowed_origin_patterns(self, *patterns: str) -> Self:
        """Replace the patterns of origins that may connect, as in `https://*.example.org:[*]`."""
        OriginPolicy.of((), patterns)
        self._origin_patterns = patterns
        return self._update_policy()

    def set_trusted_proxies(self, *proxies: str) -> Self:
        """Replace the proxies (networks, addresses, `unix`) whose forwarded headers count."""
        OriginPolicy.of((), (), proxies)
        self._trusted_proxies = proxies
        return self._update_policy()

    def add_interceptors(self, *interceptors: HandshakeInterceptor) -> Self:
        """Append interceptors; they run in order, after the checks of the handshake."""
        self._registry.check_open()
        self.interceptors += prepare_interceptors(interceptors)
        return self

    def set_handshake_handler(self, handler: HandshakeHandler) -> Self:
        """Replace the handshake handler for this registration."""
        self._registry.check_open()
        self.handshake_handler = checked_handshake_handler(handler)
        return self

    def set_options(self, options: WebSocketOptions | None = None, **values: Any) -> Self:
        """Override options of the registry for this handler, as an object or by name."""
        self._registry.check_open()
        given = WebSocketOptions.from_values(values)
        both = checked_options(options).overridden_by(given)
        own = self._own_options.overridden_by(both)
        self._registry.check_options(self._registry.options.overridden_by(own))
        self._own_options = own
        self._merged = None
        return self

    @property
    def options(self) -> WebSocketOptions:
        """The options in force: those of the registry with what is set here."""
        common = self._registry.options
        if self._merged is None or self._merged[0] is not common:  # asked for in every handshake
            self._merged = common, common.overridden_by(self._own_options)
        return self._merged[1]

    def policy_for(self, raw_path: str) -> OriginPolicy:
        """Return what may connect to one of its paths, from everywhere that it was said."""
        by_pattern = self._registry.origins.policy_for(raw_path)
        return combine((self._registry.policy, by_pattern, self.policy))

    def _update_policy(self) -> Self:
        self._registry.check_open()
        own = OriginPolicy.of(self._origins, self._origin_patterns, self._trusted_proxies)
        self.policy = own.combined_with(self._handler_policy)
        return self


def checked_options(options: object) -> WebSocketOptions:
    """Return options, the defaults for None; raise `ConfigurationError` for anything else."""
    if options is None:
        return WebSocketOptions()
    if not isinstance(options, WebSocketOptions):
        raise ConfigurationError(f"options takes WebSocketOptions(...), not {options!r}")
    return options


def checked_handshake_handler(handler: object) -> HandshakeHandler:
    """Return a handshake handler; raise `ConfigurationError` for anything else."""
    if not isinstance(handler, HandshakeHandler):
        raise ConfigurationError(
            f"a handshake handler is an instance of a HandshakeHandler class, unlike {handler!r}"
        )
    return handler


def as_strings(values: str | Iterable[str]) -> tuple[str, ...]:
    """Return one string, or several, as a tuple."""
    return (values,) if isinstance(values, str) else tuple(values)

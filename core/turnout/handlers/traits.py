"""What turnout has to know of a handler, found out once, when it is registered."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from turnout.errors import ConfigurationError
from turnout.handlers.base import (
    BinaryWebSocketHandler,
    StreamWebSocketHandler,
    TextWebSocketHandler,
    WebSocketHandler,
)
from turnout.handlers.checks import check_callbacks, check_spelling, label, sub_protocol_names

if TYPE_CHECKING:
    from turnout.messages import Message

__all__ = ["AnyHandler", "Colour", "PreparedHandler", "colour_of", "prepare"]

AnyHandler: TypeAlias = WebSocketHandler | StreamWebSocketHandler
Colour: TypeAlias = Literal["async", "plain"]

CALLBACKS = (
    "after_connection_established",
    "handle_message",
    "handle_text_message",
    "handle_binary_message",
    "handle_ping_message",
    "handle_pong_message",
    "handle_transport_error",
    "after_connection_closed",
    "handle",
)
_NEUTRAL = {
    getattr(base, name)
    for base in (
        WebSocketHandler,
        TextWebSocketHandler,
        BinaryWebSocketHandler,
        StreamWebSocketHandler,
    )
    for name in CALLBACKS
    if hasattr(base, name)
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class PreparedHandler:
    """A handler with its decorators around it, and how it is to be run."""

    handler: AnyHandler
    original: AnyHandler
    colour: Colour
    shape: Literal["callback", "stream"]
    partial: bool
    pings: bool
    pongs: bool
    sub_protocols: Sequence[str]
    bridge: Literal["greenlet"] | None = field(default=None)
    async_runtime: Literal["asyncio"] | None = field(default=None)

    @property
    def on_message(self) -> Callable[[Any, Message], Any]:
        """What takes the messages of a callback handler; what it raises closes with 1011.

        The outermost decorator sees to that for every callback, and so does whoever calls this one:
        for messages, of which there are many, once is enough.
        """
        from turnout.handlers.decorators import ExceptionWebSocketHandlerDecorator

        handler: Any = self.handler
        if self.colour == "async" and type(handler) is ExceptionWebSocketHandlerDecorator:
            handler = handler.delegate
        return cast("Callable[[Any, Message], Any]", handler.handle_message)


def colour_of(function: Callable[..., Any]) -> Colour:
    """Tell whether a function, method, partial or callable object is `async def` or plain."""
    while isinstance(function, functools.partial):
        function = function.func
    called = function if inspect.isroutine(function) else getattr(function, "__call__", function)  # noqa: B004  # the method itself is wanted
    return "async" if inspect.iscoroutinefunction(called) else "plain"


def prepare(
    original: AnyHandler,
    decorate: Callable[[AnyHandler], AnyHandler],
    *,
    bridge: str | None = None,
    async_runtime: str | None = None,
) -> PreparedHandler:
    """Look at a handler and wrap it; raise `ConfigurationError` for one that cannot be run."""
    target = innermost(original)
    check_spelling(target, CALLBACKS)
    check_callbacks(target, _overridden(target))
    colour = _colour_of_handler(target)
    _check_opt_ins(target, colour, bridge, async_runtime)
    stream = isinstance(target, StreamWebSocketHandler)
    return PreparedHandler(
        handler=decorate(original),
        original=original,
        colour=colour,
        shape="stream" if stream else "callback",
        partial=target.supports_partial_messages,
        pings=_sees(target, "handle_ping_message"),
        pongs=_sees(target, "handle_pong_message"),
        sub_protocols=sub_protocol_names(original.sub_protocols),
        bridge=cast("Literal['greenlet'] | None", bridge),
        async_runtime=cast("Literal['asyncio'] | None", async_runtime),
    )


def innermost(handler: AnyHandler) -> Any:
    """Return what decides a handler's colour: the class or object inside its decorators."""
    from turnout.handlers.decorators import unwrap  # they build on this module
    from turnout.handlers.per_connection import PerConnectionWebSocketHandler

    inner = unwrap(handler)
    return inner.prototype if isinstance(inner, PerConnectionWebSocketHandler) else inner


def _colour_of_handler(handler: Any) -> Colour:
    methods: dict[str, Colour] = {
        name: colour_of(getattr(handler, name)) for name in _overridden(handler)
    }
    colours = set(methods.values())
    if len(colours) > 1:
        listed = ", ".join(f"{name} is {colour}" for name, colour in sorted(methods.items()))
        raise ConfigurationError(
            f"{label(handler)} mixes `async def` and plain `def` callbacks ({listed});"
            " make them all one or the other"
        )
    return colours.pop() if colours else "async"


def _overridden(handler: Any) -> list[str]:
    found = []
    for name in CALLBACKS:
        method = getattr(handler, name, None)
        if method is not None and getattr(method, "__func__", method) not in _NEUTRAL:
            found.append(name)
    return found


def _sees(handler: Any, callback: str) -> bool:
    if isinstance(handler, StreamWebSocketHandler):
        return handler.receives_control_frames
    overridden = _overridden(handler)
    return callback in overridden or "handle_message" in overridden


def _check_opt_ins(
    handler: Any, colour: Colour, bridge: str | None, async_runtime: str | None
) -> None:
    if bridge not in (None, "greenlet"):
        raise ConfigurationError(f'bridge takes "greenlet" or None, not {bridge!r}')
    if async_runtime not in (None, "asyncio"):
        raise ConfigurationError(f'async_runtime takes "asyncio" or None, not {async_runtime!r}')
    if bridge is not None and colour == "async":
        raise ConfigurationError(
            f"{label(handler)} is `async def`: bridge= is for plain `def` handlers"
        )
    if async_runtime is not None and colour == "plain":
        raise ConfigurationError(
            f"{label(handler)} is plain `def`: async_runtime= is for `async def` handlers"
        )

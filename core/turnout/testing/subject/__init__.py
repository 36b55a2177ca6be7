"""The registry that is served while an engine is tested: every handler in both colours.

It is served by the command line in a process of its own, `turnout.testing.subject:registry`, and
looked at from outside only. Paths begin with the colour: `/async/echo`, `/plain/echo`.
"""

from __future__ import annotations

import os
from types import FunctionType, ModuleType
from typing import Any

from turnout import (
    Deflate,
    HandshakeHandler,
    HandshakeInterceptor,
    Overflow,
    WebSocketHandlerRegistry,
)
from turnout.handlers.stream import FunctionHandler
from turnout.registration import WebSocketHandlerRegistration
from turnout.testing.agreed import WITHOUT_VARIABLE
from turnout.testing.subject import async_actions, async_handlers, plain_actions, plain_handlers
from turnout.testing.subject.handshakes import INTERCEPTORS, Holding, Inventing, NamedByQuery
from turnout.testing.subject.http_handlers import HTTP_HANDLERS

__all__ = ["COLOURS", "build_registry", "registry"]

COLOURS: dict[str, ModuleType] = {"async": async_handlers, "plain": plain_handlers}
ACTS: dict[str, Any] = {"async": async_actions.act, "plain": plain_actions.act}


class _Colour:
    """Adds one colour's handlers under its own prefix."""

    def __init__(
        self, registry: WebSocketHandlerRegistry, colour: str, without: frozenset[str]
    ) -> None:
        self._registry = registry
        self._colour = colour
        self._without = without
        self.handlers = COLOURS[colour]
        self.act = ACTS[colour]

    def add(self, handler: Any, path: str, **traits: Any) -> WebSocketHandlerRegistration:
        """Register a handler object, or a function and what kind of stream handler it is."""
        if isinstance(handler, FunctionType):
            handler = FunctionHandler(handler, **traits)
        return self._registry.add_handler(handler, f"/{self._colour}{path}")

    def add_with(self, options: dict[str, Any], handler: Any, path: str, **traits: Any) -> None:
        """Register with options of its own, unless one of them has been declared away."""
        if self._without.isdisjoint(options):
            self.add(handler, path, **traits).set_options(**options)


def build_registry(without: frozenset[str] = frozenset()) -> WebSocketHandlerRegistry:
    """Return the registry, leaving out what needs an option in `without`."""
    registry = WebSocketHandlerRegistry()
    for name in COLOURS:
        colour = _Colour(registry, name, without)
        _add_basic(colour)
        _add_limited(colour)
        _add_timed(colour)
        _add_handshakes(colour, *INTERCEPTORS[name])
        registry.add_http_handler(HTTP_HANDLERS[name]["body"], f"/{name}/both")
        for path, handler in HTTP_HANDLERS[name].items():
            registry.add_http_handler(handler, f"/{name}/http/{path}")
    _add_bridges(registry)
    return registry


def _add_basic(colour: _Colour) -> None:
    handlers = colour.handlers
    colour.add(handlers.echo, "/echo")
    colour.add(colour.act, "/act")
    colour.add(handlers.ticker, "/ticker")
    colour.add(handlers.echo, "/both")
    colour.add(colour.act, "/rooms/{room}")
    colour.add(colour.act, "/files/{rest:path}")
    colour.add(handlers.Callbacks(), "/callbacks")
    colour.add(handlers.FailingCallbacks(), "/failing")
    colour.add(handlers.TextCallbacks(), "/text")
    colour.add(handlers.BinaryCallbacks(), "/binary")
    colour.add(handlers.pieces, "/pieces", partial=True)
    colour.add(handlers.PieceCallbacks(), "/pieces/callbacks")
    colour.add(handlers.control_frames, "/control", control_frames=True)
    colour.add(handlers.ControlCallbacks(), "/control/callbacks")


def _add_limited(colour: _Colour) -> None:
    handlers = colour.handlers
    sizes = {"max_text_size": 1000, "max_binary_size": 500}
    colour.add_with(sizes, handlers.echo, "/limited")
    totals = {"max_text_size": 1000, "max_total_size": 3000}
    colour.add_with(totals, handlers.pieces, "/limited/pieces", partial=True)
    deflate = {"compression": Deflate(threshold=0)}
    colour.add_with(deflate, handlers.echo, "/deflate")
    sizes = {"max_text_size": 1000, "max_binary_size": 1000}
    colour.add_with(deflate, colour.act, "/deflate/rooms/{room}")
    colour.add_with(deflate | sizes, handlers.echo, "/deflate/limited")
    colour.add_with(deflate | {"receive_buffer": 65536}, handlers.gated, "/deflate/gated")


def _add_timed(colour: _Colour) -> None:
    handlers = colour.handlers
    receiving = {"receive_buffer": 65536}
    colour.add_with(receiving, handlers.gated, "/gated")
    colour.add_with(receiving, handlers.gated, "/gated/control", control_frames=True)
    waiting = {"send_buffer": 65536, "send_timeout": 0.5}
    colour.add_with(waiting, handlers.flood, "/flood")
    colour.add_with({"send_buffer": 65536}, handlers.overflowing, "/overflow/terminate")
    dropping = {"send_buffer": 65536, "overflow": Overflow.DROP}
    colour.add_with(dropping, handlers.overflowing, "/overflow/drop")
    colour.add_with({"idle_timeout": 0.5}, handlers.Callbacks(), "/idle")
    pinging = {"ping_interval": 0.3, "ping_timeout": 0.3}
    colour.add_with(pinging, handlers.Callbacks(), "/keepalive")
    colour.add_with({"close_timeout": 0.5}, colour.act, "/hasty")


def _add_handshakes(
    colour: _Colour, marking: type[HandshakeInterceptor], refusing: type[HandshakeInterceptor]
) -> None:
    act = colour.act
    colour.add(act, "/intercepted").add_interceptors(marking())
    colour.add(act, "/refused").add_interceptors(marking(), refusing())
    colour.add(colour.handlers.Callbacks(), "/held").add_interceptors(Holding())
    protocols = ("chat.v2", "Chat.v1")
    colour.add(act, "/protocols", sub_protocols=protocols)
    required = HandshakeHandler(sub_protocols=protocols, require_sub_protocol=True)
    colour.add(act, "/protocols/required").set_handshake_handler(required)
    colour.add(act, "/protocols/invented").set_handshake_handler(Inventing())
    colour.add(act, "/users").set_handshake_handler(NamedByQuery())
    origins = ("https://one.example", "https://two.example:8443")
    colour.add(act, "/origins/list").set_allowed_origins(*origins)
    colour.add(act, "/origins/pattern").set_allowed_origin_patterns("https://*.example:[8080,8443]")
    colour.add(act, "/origins/any").set_allowed_origins("*")
    colour.add(act, "/origins/proxied").set_trusted_proxies("127.0.0.0/8")


def _add_bridges(registry: WebSocketHandlerRegistry) -> None:
    """Add the opt-ins by which a handler runs in another way than its engine would run it."""
    registry.websocket("/bridge/greenlet", bridge="greenlet")(plain_actions.act)
    registry.websocket("/bridge/asyncio", async_runtime="asyncio")(async_actions.act)


registry: WebSocketHandlerRegistry = build_registry(
    frozenset(os.environ.get(WITHOUT_VARIABLE, "").split(","))
)

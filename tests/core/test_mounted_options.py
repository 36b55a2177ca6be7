"""Options of a server, where turnout is mounted in one that the host runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from aiohttp import web
from tornado.web import Application

from turnout import UnsupportedOptionError, WebSocketHandlerRegistry, WebSocketOptions
from turnout_adapters import aiohttp, gevent, gevent_websocket, tornado

Mount = Callable[[WebSocketHandlerRegistry], object]


def mount_on_tornado(registry: WebSocketHandlerRegistry) -> None:
    """Mount inside a running event loop, as Tornado needs it."""

    async def mount() -> None:
        tornado.mount(Application(), registry)

    asyncio.run(mount())


mounts = pytest.mark.parametrize(
    "mount",
    [
        pytest.param(lambda registry: aiohttp.mount(web.Application(), registry), id="aiohttp"),
        pytest.param(mount_on_tornado, id="tornado"),
        pytest.param(lambda registry: gevent.mount(None, registry), id="gevent"),
        pytest.param(
            lambda registry: gevent_websocket.mount(None, registry), id="gevent-websocket"
        ),
    ],
)


@mounts
def test_a_handshake_timeout_that_was_set_is_refused(mount: Mount) -> None:
    """The host reads the request: what cannot be honoured raises, and is not dropped."""
    options = WebSocketOptions(handshake_timeout=3.0)
    with pytest.raises(UnsupportedOptionError, match="set the host's own limit"):
        mount(WebSocketHandlerRegistry(options=options))


@mounts
@pytest.mark.parametrize("options", [WebSocketOptions(), WebSocketOptions(handshake_timeout=None)])
def test_the_default_and_no_limit_are_taken(mount: Mount, options: WebSocketOptions) -> None:
    mount(WebSocketHandlerRegistry(options=options))

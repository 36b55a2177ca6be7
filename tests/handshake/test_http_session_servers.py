"""A user logs in over HTTP, and the WebSocket of the same browser knows it: on real servers."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import tornado.httpserver
import tornado.web
from websockets.asyncio.client import connect

from turnout import (
    HttpSessionHandshakeInterceptor,
    WebSocketHandlerRegistry,
    WebSocketSession,
)
from turnout_adapters.http_sessions import tornado_signed_cookie
from turnout_adapters.tornado import TornadoStrategy, mount, stop

DEADLINE = 10.0


def registry_with(interceptor: HttpSessionHandshakeInterceptor) -> WebSocketHandlerRegistry:
    """Return a registry whose one handler tells the client its attributes."""
    registry = WebSocketHandlerRegistry()

    @registry.websocket("/whoami", interceptors=[interceptor])
    async def whoami(session: WebSocketSession) -> None:
        await session.send(json.dumps(session.attributes))

    return registry


def listening() -> tuple[socket.socket, int]:
    """Return a listening socket and its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    return listener, listener.getsockname()[1]


async def whoami(port: int, cookie: str | None = None) -> tuple[dict[str, Any], list[str]]:
    """Connect as a browser with this cookie; return the attributes, and the cookies it gets."""
    headers = {"Cookie": cookie} if cookie else {}
    url = f"ws://127.0.0.1:{port}/whoami"
    async with connect(url, additional_headers=headers, proxy=None) as client:
        assert client.response is not None
        attributes: dict[str, Any] = json.loads(await client.recv())
        return attributes, client.response.headers.get_all("Set-Cookie")


async def log_in(port: int) -> str:
    """Ask for /login; return the cookie that the browser would keep."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    head, _, _ = (await reader.read()).decode().partition("\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    fields = [line.partition(": ") for line in head.split("\r\n")]
    return next(value for name, _, value in fields if name.lower() == "set-cookie").split(";")[0]


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    """Run a scenario on an event loop of its own, within the deadline."""

    async def bounded() -> None:
        async with asyncio.timeout(DEADLINE):
            await scenario()

    asyncio.run(bounded())


class Login(tornado.web.RequestHandler):
    """Remembers the user as an application on Tornado does."""

    def get(self) -> None:
        self.set_signed_cookie("session", json.dumps({"user": "ada", "theme": "dark"}))


@asynccontextmanager
async def tornado_server(
    interceptor: HttpSessionHandshakeInterceptor, strategy: TornadoStrategy
) -> AsyncIterator[int]:
    """Serve on Tornado; gives the port."""
    application = tornado.web.Application([("/login", Login)], cookie_secret="for tests")
    service = mount(application, registry_with(interceptor), strategy=strategy)
    server = tornado.httpserver.HTTPServer(application)
    listener, port = listening()
    server.add_socket(listener)
    yield port
    await stop(server, service)


@pytest.mark.parametrize("variant", TornadoStrategy.variants)
def test_tornado_signed_cookie(variant: str) -> None:
    async def scenario() -> None:
        interceptor = HttpSessionHandshakeInterceptor(
            ["user"], source=tornado_signed_cookie("session")
        )
        strategy = TornadoStrategy.variants[variant]()
        assert isinstance(strategy, TornadoStrategy)
        async with tornado_server(interceptor, strategy) as port:
            cookie = await log_in(port)
            assert await whoami(port, cookie) == ({"user": "ada"}, [])
            assert await whoami(port) == ({}, [])
            assert await whoami(port, cookie[:-4] + "0000") == ({}, [])

    run(scenario)


def test_tornado_cookie_that_holds_something_else_is_decoded_as_told() -> None:
    async def scenario() -> None:
        source = tornado_signed_cookie("session", decode=lambda value: {"length": len(value)})
        interceptor = HttpSessionHandshakeInterceptor(source=source)
        async with tornado_server(interceptor, TornadoStrategy()) as port:
            attributes, _ = await whoami(port, await log_in(port))
            assert attributes == {"length": len('{"user": "ada", "theme": "dark"}')}

    run(scenario)

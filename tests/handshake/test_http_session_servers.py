"""A user logs in over HTTP, and the WebSocket of the same browser knows it: on real servers."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp_session
import pytest
import tornado.httpserver
import tornado.web
from aiohttp import web
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from turnout import (
    HttpSessionHandshakeInterceptor,
    WebSocketHandlerRegistry,
    WebSocketSession,
)
from turnout.handshake.http_session import SESSION_ID_ATTRIBUTE
from turnout_adapters import aiohttp as on_aiohttp
from turnout_adapters import tornado as on_tornado
from turnout_adapters.http_sessions import CREATED, tornado_signed_cookie
from turnout_adapters.http_sessions import aiohttp_session as session_of_aiohttp

DEADLINE = 10.0

# aiohttp-session itself still uses the text keys that newer releases of aiohttp advise against.
pytestmark = pytest.mark.filterwarnings("ignore:It is recommended to use web.RequestKey")


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
    interceptor: HttpSessionHandshakeInterceptor, strategy: on_tornado.TornadoStrategy
) -> AsyncIterator[int]:
    """Serve on Tornado; gives the port."""
    application = tornado.web.Application([("/login", Login)], cookie_secret="for tests")
    service = on_tornado.mount(application, registry_with(interceptor), strategy=strategy)
    server = tornado.httpserver.HTTPServer(application)
    listener, port = listening()
    server.add_socket(listener)
    try:
        yield port
    finally:
        await on_tornado.stop(server, service)


@pytest.mark.parametrize("variant", on_tornado.TornadoStrategy.variants)
def test_tornado_signed_cookie(variant: str) -> None:
    async def scenario() -> None:
        interceptor = HttpSessionHandshakeInterceptor(
            ["user"], source=tornado_signed_cookie("session")
        )
        strategy = on_tornado.TornadoStrategy.variants[variant]()
        assert isinstance(strategy, on_tornado.TornadoStrategy)
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
        async with tornado_server(interceptor, on_tornado.TornadoStrategy()) as port:
            attributes, _ = await whoami(port, await log_in(port))
            assert attributes == {"length": len('{"user": "ada", "theme": "dark"}')}

    run(scenario)


class Memory(aiohttp_session.AbstractStorage):
    """A storage that knows sessions by an id, as the one on Redis does."""

    def __init__(self) -> None:
        super().__init__()
        self.stored: dict[str, str] = {}

    async def load_session(self, request: web.Request) -> aiohttp_session.Session:
        identity = self.load_cookie(request)
        if identity is None or identity not in self.stored:
            return aiohttp_session.Session(None, data=None, new=True)
        data = json.loads(self.stored[identity])
        return aiohttp_session.Session(identity, data=data, new=False)

    async def save_session(
        self, request: web.Request, response: web.StreamResponse, session: aiohttp_session.Session
    ) -> None:
        identity = session.identity or f"id-{len(self.stored)}"
        if session.identity is None:
            session.set_new_identity(identity)
        self.stored[identity] = json.dumps(self._get_session_data(session))
        self.save_cookie(response, identity)


async def login(request: web.Request) -> web.Response:
    """Remember the user as an application on aiohttp does."""
    session = await aiohttp_session.get_session(request)
    session["user"] = "ada"
    return web.Response()


@asynccontextmanager
async def aiohttp_server(
    storage: aiohttp_session.AbstractStorage | None,
    interceptor: HttpSessionHandshakeInterceptor,
    strategy: on_aiohttp.AiohttpStrategy,
) -> AsyncIterator[int]:
    """Serve on aiohttp, without sessions if there is no storage; gives the port."""
    application = web.Application()
    if storage is not None:
        aiohttp_session.setup(application, storage)
    application.router.add_get("/login", login)
    on_aiohttp.mount(application, registry_with(interceptor), strategy=strategy)
    runner = web.AppRunner(application)
    await runner.setup()
    listener, port = listening()
    await web.SockSite(runner, listener).start()
    try:
        yield port
    finally:
        await runner.cleanup()


@pytest.fixture(params=on_aiohttp.AiohttpStrategy.variants)
def aiohttp_strategy(request: pytest.FixtureRequest) -> on_aiohttp.AiohttpStrategy:
    """Both ways to speak WebSocket on aiohttp."""
    strategy = on_aiohttp.AiohttpStrategy.variants[request.param]()
    assert isinstance(strategy, on_aiohttp.AiohttpStrategy)
    return strategy


def test_aiohttp_session_with_ids(aiohttp_strategy: on_aiohttp.AiohttpStrategy) -> None:
    async def scenario() -> None:
        interceptor = HttpSessionHandshakeInterceptor(source=session_of_aiohttp)
        async with aiohttp_server(Memory(), interceptor, aiohttp_strategy) as port:
            known = {"user": "ada", SESSION_ID_ATTRIBUTE: "id-0"}
            assert await whoami(port, await log_in(port)) == (known, [])
            assert await whoami(port) == ({}, [])

    run(scenario)


def test_aiohttp_session_in_the_cookie(aiohttp_strategy: on_aiohttp.AiohttpStrategy) -> None:
    async def scenario() -> None:
        storage = aiohttp_session.SimpleCookieStorage()
        interceptor = HttpSessionHandshakeInterceptor(source=session_of_aiohttp)
        async with aiohttp_server(storage, interceptor, aiohttp_strategy) as port:
            assert await whoami(port, await log_in(port)) == ({"user": "ada"}, [])

    run(scenario)


def test_aiohttp_session_is_created_on_demand_and_found_again(
    aiohttp_strategy: on_aiohttp.AiohttpStrategy,
) -> None:
    async def scenario() -> None:
        interceptor = HttpSessionHandshakeInterceptor(
            source=session_of_aiohttp, create_session=True
        )
        async with aiohttp_server(Memory(), interceptor, aiohttp_strategy) as port:
            attributes, (cookie,) = await whoami(port)
            assert attributes == {CREATED: True, SESSION_ID_ATTRIBUTE: "id-0"}
            assert await whoami(port, cookie.partition(";")[0]) == (attributes, [])

    run(scenario)


def test_aiohttp_session_without_its_middleware_is_500(
    aiohttp_strategy: on_aiohttp.AiohttpStrategy, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        interceptor = HttpSessionHandshakeInterceptor(source=session_of_aiohttp)
        async with aiohttp_server(None, interceptor, aiohttp_strategy) as port:
            with pytest.raises(InvalidStatus) as refused:
                await whoami(port)
            assert refused.value.response.status_code == 500

    run(scenario)
    assert "Install aiohttp_session middleware" in caplog.text

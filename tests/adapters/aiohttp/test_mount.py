"""turnout beside the routes, middlewares and signals of an application."""

from __future__ import annotations

import threading
import time
from contextvars import ContextVar
from typing import Any

import pytest
from aiohttp import web

from turnout import (
    CloseStatus,
    ConfigurationError,
    HandshakeInterceptor,
    HandshakeRefused,
    WebSocketHandler,
    WebSocketHandlerRegistry,
    WebSocketSession,
)
from turnout.testing.deadlines import DEADLINE
from turnout.testing.frames import TEXT
from turnout.testing.http import HandshakeRequest
from turnout_adapters.aiohttp import AiohttpStrategy, mount

USER: ContextVar[str] = ContextVar("user", default="nobody")


def echoing() -> WebSocketHandlerRegistry:
    registry = WebSocketHandlerRegistry()

    @registry.websocket("/echo", "/sub/echo")
    async def echo(session: WebSocketSession) -> None:
        async for message in session:
            await session.send(message)

    return registry


async def page(request: web.Request) -> web.Response:
    return web.Response(text=f"page of {request.path}")


def test_routes_of_the_host_are_untouched(run_app: Any, mounted: Any) -> None:
    app = web.Application()
    app.router.add_get("/echo", page)
    app.router.add_get("/other", page)
    mounted(app, echoing())
    running = run_app(app)
    client = running.connect()
    assert client.fetch("/echo").text == "page of /echo"
    assert client.fetch("/other").text == "page of /other"
    assert client.fetch("/nowhere").status == 404
    assert client.fetch("/echo", method="POST", body=b"").status == 405
    client.open("/echo")
    client.send_text("hello")
    assert client.read_text() == "hello"


def test_upgrade_of_another_path_is_the_host_s(run_app: Any, mounted: Any) -> None:
    async def own(request: web.Request) -> web.WebSocketResponse:
        response = web.WebSocketResponse()
        await response.prepare(request)
        await response.send_str("the host's own")
        await response.close()
        return response

    app = web.Application()
    app.router.add_get("/own", own)
    mounted(app, echoing())
    assert run_app(app).connect("/own").read_text() == "the host's own"


def test_middlewares_of_the_host_run_before(run_app: Any, mounted: Any) -> None:
    seen: list[tuple[str, int]] = []

    @web.middleware
    async def outer(request: web.Request, handler: Any) -> web.StreamResponse:
        if "forbidden" in request.query:
            raise web.HTTPUnauthorized(text="who are you?")
        USER.set("ann")
        response: web.StreamResponse = await handler(request)
        seen.append((request.path, response.status))
        if not response.prepared:
            response.headers["X-Outer"] = "passed"
        return response

    registry = echoing()

    @registry.websocket("/who")
    async def who(session: WebSocketSession) -> None:
        await session.send(USER.get())

    app = web.Application(middlewares=[outer])
    mounted(app, registry)
    running = run_app(app)
    refused = running.connect().handshake("/who?forbidden")
    assert (refused.status, refused.text) == (401, "who are you?")
    client = running.connect("/who")
    assert client.read_text() == "ann"
    assert client.answer_close()[0] == 1000
    rejected = running.connect().handshake("/echo", version="12")
    assert (rejected.status, rejected.headers["X-Outer"]) == (426, "passed")
    running.stop()
    assert seen == [("/who", 101), ("/echo", 426)]


def test_signals_of_the_host_reach_the_101(run_app: Any, mounted: Any) -> None:
    async def sign(request: web.Request, response: web.StreamResponse) -> None:
        response.headers["X-Signed"] = "yes"
        response.set_cookie("seen", "1")

    app = web.Application()
    app.on_response_prepare.append(sign)
    mounted(app, echoing())
    client = run_app(app).connect()
    response = client.open("/echo")
    assert response.headers["X-Signed"] == "yes"
    assert response.headers["Set-Cookie"] == "seen=1; Path=/"
    client.send_text("still")
    assert client.read_text() == "still"


def test_the_101_has_nothing_of_the_server_s(run_app: Any, mounted: Any) -> None:
    app = web.Application()
    mounted(app, echoing())
    names = [name for name, _ in run_app(app).connect().open("/echo").headers.fields()]
    assert names == ["Upgrade", "Connection", "Sec-WebSocket-Accept"]


def test_http_handlers_of_the_registry(run_app: Any, mounted: Any) -> None:
    registry = echoing()

    async def answer(request: Any, response: Any) -> None:
        body = await request.read_body(10)
        await response.send(200, [("Content-Type", "text/plain")], body[::-1])

    registry.add_http_handler(answer, "/reverse")
    app = web.Application()
    mounted(app, registry)
    assert run_app(app).connect().fetch("/reverse", method="PUT", body=b"abc").text == "cba"


def test_body_that_a_middleware_has_read(run_app: Any, mounted: Any) -> None:
    @web.middleware
    async def curious(request: web.Request, handler: Any) -> web.StreamResponse:
        await request.read()
        response: web.StreamResponse = await handler(request)
        return response

    registry = WebSocketHandlerRegistry()

    async def answer(request: Any, response: Any) -> None:
        await response.send(200, body=await request.read_body(10))

    registry.add_http_handler(answer, "/same")
    app = web.Application(middlewares=[curious])
    mounted(app, registry)
    assert run_app(app).connect().fetch("/same", method="POST", body=b"abc").body == b"abc"


def test_in_a_sub_application(run_app: Any, mounted: Any) -> None:
    sub, app = web.Application(), web.Application()
    mounted(sub, echoing())
    app.add_subapp("/sub/", sub)
    running = run_app(app)
    client = running.connect("/sub/echo")
    client.send_text("below")
    assert client.read_text() == "below"
    assert running.connect().handshake("/echo").status == 404


def test_handlers_added_while_serving(run_app: Any, mounted: Any) -> None:
    registry, app = echoing(), web.Application()
    mounted(app, registry)
    running = run_app(app)
    assert running.connect().handshake("/late").status == 404

    @registry.websocket("/late")
    async def late(session: WebSocketSession) -> None:
        await session.send("better late")

    assert running.connect("/late").read_text() == "better late"


def test_interceptor_refuses(run_app: Any, mounted: Any) -> None:
    class Refusing(HandshakeInterceptor):
        async def before_handshake(
            self, request: Any, response: Any, handler: Any, attributes: Any
        ) -> None:
            raise HandshakeRefused(429, [("Retry-After", "7")], "slowly")

    registry = echoing()
    registry.add_handler(WebSocketHandler(), "/guarded", interceptors=[Refusing()])
    app = web.Application()
    mounted(app, registry)
    response = run_app(app).connect().handshake("/guarded")
    assert (response.status, response.headers["Retry-After"], response.text) == (429, "7", "slowly")


class Listening(WebSocketHandler):
    def __init__(self) -> None:
        self.closed: list[CloseStatus] = []

    async def after_connection_closed(self, session: WebSocketSession, status: CloseStatus) -> None:
        self.closed.append(status)


def test_client_that_goes_before_the_101_leaves_no_traceback(
    run_app: Any, mounted: Any, caplog: pytest.LogCaptureFixture
) -> None:
    asked, ended = threading.Event(), threading.Event()

    class UntilItGoes(HandshakeInterceptor):
        async def before_handshake(
            self, request: Any, response: Any, handler: Any, attributes: Any
        ) -> bool:
            asked.set()
            await response.wait_disconnected()
            return True

        def after_handshake(
            self, request: Any, response: Any, handler: Any, exception: Any
        ) -> None:
            ended.set()

    app = web.Application()
    registry = echoing()
    registry.websocket("/waits", interceptors=[UntilItGoes()])(print)
    mounted(app, registry)
    running = run_app(app)
    client = running.connect()
    client.stream.write(HandshakeRequest(target="/waits").encode())
    assert asked.wait(DEADLINE)
    client.stream.vanish()
    assert ended.wait(DEADLINE)
    running.stop()
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_shutdown_of_the_host_closes_the_sessions(run_app: Any, mounted: Any) -> None:
    handler, registry, app = Listening(), WebSocketHandlerRegistry(), web.Application()
    registry.add_handler(handler, "/listen")
    service = mounted(app, registry)
    running = run_app(app)
    clients = [running.connect("/listen") for _ in range(3)]
    begun = time.monotonic()
    stopping = threading.Thread(target=running.stop)
    stopping.start()
    for client in clients:
        assert client.answer_close()[0] == 1001
    stopping.join(15)
    assert not stopping.is_alive()
    assert time.monotonic() - begun < registry.options.close_timeout
    assert [status.code for status in handler.closed] == [1001] * 3
    assert len(service) == 0


def test_handshake_while_draining_is_refused(run_app: Any, mounted: Any) -> None:
    registry, app = echoing(), web.Application()
    service = mounted(app, registry)
    running = run_app(app)
    open_one, late = running.connect("/echo"), running.connect()
    draining = threading.Thread(target=lambda: running.call(service.drain()))
    draining.start()
    assert open_one.read_close()[0] == 1001
    response = late.handshake("/echo")
    assert (response.status, response.headers["Connection"]) == (503, "close")
    late.expect_end()
    open_one.send_close(1001)
    open_one.expect_end()
    draining.join(15)
    assert not draining.is_alive()


def test_too_late_to_mount(run_app: Any) -> None:
    started, sub = web.Application(), web.Application()
    run_app(started)
    web.Application().add_subapp("/sub", sub)
    for app in (started, sub):
        with pytest.raises(ConfigurationError, match="mount before"):
            mount(app, echoing())


def test_settings_of_a_server_are_the_host_s() -> None:
    strategy = AiohttpStrategy().configure(keepalive_timeout=5)
    with pytest.raises(ConfigurationError, match="keepalive_timeout"):
        mount(web.Application(), echoing(), strategy=strategy)


def test_option_that_a_strategy_cannot_honour() -> None:
    from turnout import Capabilities, Deflate, UnsupportedOptionError, WebSocketOptions

    class WithoutDeflate(AiohttpStrategy):
        capabilities = Capabilities(deflate=False)

    registry = WebSocketHandlerRegistry(options=WebSocketOptions(compression=Deflate()))
    with pytest.raises(UnsupportedOptionError, match="compression"):
        mount(web.Application(), registry, strategy=WithoutDeflate())
    mount(web.Application(), registry)


def test_session_knows_the_native_object(run_app: Any, mounted: Any, variant: str) -> None:
    natives: list[Any] = []
    registry = WebSocketHandlerRegistry()

    @registry.websocket("/native", sub_protocols=("chat",))
    async def native(session: WebSocketSession) -> None:
        natives.append(session.native)
        await session.send(str(session.native.get_extra_info("peername")[1]))

    app = web.Application()
    mounted(app, registry)
    client = run_app(app).connect("/native", protocols="chat")
    assert client.read_text() == str(client.stream.socket.getsockname()[1])
    client.answer_close()
    (found,) = natives
    if variant == "native":
        assert isinstance(found, web.WebSocketResponse)
        assert found.ws_protocol == "chat"
    else:
        assert isinstance(found, web.Request)


def test_frames_behind_the_close_are_not_http(run_app: Any, mounted: Any) -> None:
    app = web.Application()
    mounted(app, echoing())
    client = run_app(app).connect("/echo")
    client.send_close(1000)
    client.send_frame(TEXT, b"GET / HTTP/1.1\r\n\r\n")
    assert client.read_close()[0] == 1000
    client.expect_end()

"""turnout beside the routes of an application."""

from __future__ import annotations

import asyncio
import threading
from queue import SimpleQueue
from typing import Any

import pytest
from tornado.httputil import HTTPServerRequest
from tornado.routing import PathMatches, Rule, RuleRouter
from tornado.web import Application, RequestHandler, create_signed_value
from tornado.websocket import WebSocketHandler as TornadoWebSocketHandler

from turnout import (
    CloseStatus,
    ConfigurationError,
    HandshakeInterceptor,
    HttpSessionHandshakeInterceptor,
    WebSocketHandler,
    WebSocketHandlerRegistry,
    WebSocketService,
    WebSocketSession,
)
from turnout_adapters.http_sessions import tornado_signed_cookie
from turnout_adapters.tornado import TornadoStrategy, mount, stop


def echoing() -> WebSocketHandlerRegistry:
    registry = WebSocketHandlerRegistry()

    @registry.websocket("/echo", "/sub/echo")
    async def echo(session: WebSocketSession) -> None:
        async for message in session:
            await session.send(message)

    return registry


class Page(RequestHandler):
    def get(self) -> None:
        self.write(f"page of {self.request.path}")


def test_routes_of_the_host_are_untouched(run_app: Any, mounted: Any) -> None:
    def build() -> Application:
        app = Application([(r"/echo", Page), (r"/other", Page)])
        mounted(app, echoing())
        return app

    client = run_app(build).connect()
    assert client.fetch("/echo").text == "page of /echo"
    assert client.fetch("/other").text == "page of /other"
    assert client.fetch("/nowhere").status == 404
    assert client.fetch("/echo", method="POST", body=b"").status == 405
    client.open("/echo")
    client.send_text("hello")
    assert client.read_text() == "hello"


def test_routes_for_a_host_name_do_not_hide_it(run_app: Any, mounted: Any) -> None:
    def build() -> Application:
        app = Application()
        app.add_handlers(r"127\.0\.0\.1", [(r"/echo", Page)])
        mounted(app, echoing())
        app.add_handlers(r".*", [(r"/late", Page)])
        return app

    running = run_app(build)
    client = running.connect("/echo")
    client.send_text("hello")
    assert client.read_text() == "hello"
    assert running.connect().fetch("/echo").text == "page of /echo"
    assert running.connect().fetch("/late").text == "page of /late"


def test_application_behind_another_router(run_app: Any, mounted: Any) -> None:
    def build() -> RuleRouter:
        app = Application([(r"/sub/page", Page)])
        mounted(app, echoing())
        return RuleRouter([Rule(PathMatches(r"/sub/.*"), app)])

    running = run_app(build)
    assert running.connect().fetch("/sub/page").text == "page of /sub/page"
    client = running.connect("/sub/echo")
    client.send_text("hello")
    assert client.read_text() == "hello"
    assert running.connect().handshake("/echo").status == 404


def test_websocket_of_the_host_itself(run_app: Any, mounted: Any) -> None:
    class Own(TornadoWebSocketHandler):
        def open(self) -> None:
            self.write_message("the host's own")

    def build() -> Application:
        app = Application([(r"/own", Own)])
        mounted(app, echoing())
        return app

    assert run_app(build).connect("/own").read_text() == "the host's own"


def test_names_of_the_host_s_routes_still_work(run_app: Any, mounted: Any) -> None:
    found: list[str] = []

    def build() -> Application:
        app = Application([(r"/page/([0-9]+)", Page, {}, "page")])
        mounted(app, echoing())
        found.append(app.reverse_url("page", "7"))
        return app

    run_app(build)
    assert found == ["/page/7"]


class Greeting(RequestHandler):
    def prepare(self) -> None:
        raise AssertionError("a handler of the host must not see this request")


def test_tornado_s_own_checks_do_not_interfere(run_app: Any, mounted: Any) -> None:
    """Origin, XSRF and the handshake are core's: the host's settings change nothing here."""
    registry = echoing()
    registry.allow_origins_at("/echo", "https://friend.example")

    async def post(request: Any, response: Any) -> None:
        await response.send(200, body=await request.read_body(100))

    registry.add_http_handler(post, "/post")

    def build() -> Application:
        app = Application(
            [(r"/echo", Greeting)],
            xsrf_cookies=True,
            cookie_secret="secret",
            websocket_ping_interval=0.05,
            websocket_max_message_size=3,
        )
        mounted(app, registry)
        return app

    running = run_app(build)
    client = running.connect()
    client.open("/echo", origin="https://friend.example")
    client.send_text("longer than three")
    assert client.read_text() == "longer than three"
    assert not client.stream.has_data(timeout=0.3), "Tornado's own ping"
    assert running.connect().handshake("/echo", origin="https://foe.example").status == 403
    assert running.connect().fetch("/post", method="POST", body=b"body").body == b"body"


def test_signed_cookies(run_app: Any, mounted: Any) -> None:
    registry = WebSocketHandlerRegistry()

    @registry.websocket(
        "/session",
        interceptors=[HttpSessionHandshakeInterceptor(source=tornado_signed_cookie("session"))],
    )
    async def tell(session: WebSocketSession) -> None:
        await session.send(str(session.attributes.get("user")))

    def build() -> Application:
        app = Application(cookie_secret="secret")
        mounted(app, registry)
        return app

    running = run_app(build)
    signed = create_signed_value("secret", "session", '{"user": "ada"}').decode()
    forged = create_signed_value("guessed", "session", '{"user": "ada"}').decode()
    for cookie, user in ((signed, "ada"), (forged, "None")):
        client = running.connect("/session", headers=(("Cookie", f"session={cookie}"),))
        assert client.read_text() == user


def test_native_objects_are_tornado_s(run_app: Any, variant: str, mounted: Any) -> None:
    seen: list[Any] = []

    class Look(HandshakeInterceptor):
        def before_handshake(
            self, request: Any, response: Any, handler: object, attributes: dict[str, Any]
        ) -> bool:
            seen.append(request.native)
            return True

    registry = WebSocketHandlerRegistry()

    @registry.websocket("/echo", interceptors=[Look()])
    async def echo(session: WebSocketSession) -> None:
        seen.append(session.native)

    def build() -> Application:
        app = Application(flavour="vanilla")
        mounted(app, registry)
        return app

    run_app(build).connect("/echo").close()
    request, session = seen
    assert request.settings["flavour"] == "vanilla"
    assert isinstance(request.request, HTTPServerRequest)
    assert session is request
    assert isinstance(session, TornadoWebSocketHandler) == (variant == "native")


def test_access_log(run_app: Any, mounted: Any) -> None:
    registry = echoing()

    async def hello(request: Any, response: Any) -> None:
        await response.send(200, body=b"hello")

    registry.add_http_handler(hello, "/hello")
    logged: SimpleQueue[tuple[int, str]] = SimpleQueue()

    def build() -> Application:
        app = Application(
            log_function=lambda handler: logged.put((handler.get_status(), handler.request.path))
        )
        mounted(app, registry)
        return app

    running = run_app(build)
    running.connect("/echo").close()
    running.connect().handshake("/echo", version="7")
    running.connect().fetch("/hello")
    running.connect().fetch("/nowhere")
    expected = [(101, "/echo"), (426, "/echo"), (200, "/hello"), (404, "/nowhere")]
    assert [logged.get(timeout=10) for _ in expected] == expected
    assert logged.empty()


class Recorder(WebSocketHandler):
    def __init__(self) -> None:
        self.codes: list[int] = []

    async def after_connection_closed(self, session: WebSocketSession, status: CloseStatus) -> None:
        self.codes.append(status.code)


def test_stop_closes_sessions_and_lets_requests_end(run_app: Any, mounted: Any) -> None:
    registry, recorder = WebSocketHandlerRegistry(), Recorder()
    registry.add_handler(recorder, "/record")
    answering, go_on = threading.Event(), asyncio.Event()
    services: list[WebSocketService] = []

    async def slow(request: Any, response: Any) -> None:
        answering.set()
        await go_on.wait()
        await response.send(200, body=b"complete")

    registry.add_http_handler(slow, "/slow")

    def build() -> Application:
        app = Application()
        services.append(mounted(app, registry))
        return app

    running = run_app(build)
    client, http = running.connect("/record"), running.connect()
    http.stream.write(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answering.wait(10)
    stopping = asyncio.run_coroutine_threadsafe(stop(running.server, services[0]), running.loop)
    assert client.answer_close()[0] == 1001
    running.loop.call_soon_threadsafe(go_on.set)
    assert http.stream.read_to_end().endswith(b"complete")
    stopping.result(10)
    assert recorder.codes == [1001]
    with pytest.raises(ConnectionRefusedError):
        running.connect()


def test_stop_cuts_what_does_not_end(run_app: Any, mounted: Any) -> None:
    registry = WebSocketHandlerRegistry()
    answering = threading.Event()
    services: list[WebSocketService] = []

    async def stuck(request: Any, response: Any) -> None:
        answering.set()
        await response.wait_disconnected()

    registry.add_http_handler(stuck, "/stuck")

    def build() -> Application:
        app = Application()
        services.append(mounted(app, registry))
        return app

    running = run_app(build)
    http = running.connect()
    http.stream.write(b"GET /stuck HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answering.wait(10)
    running.call(stop(running.server, services[0], 0.1))
    assert http.stream.read_to_end() == b""


def test_drain_alone_keeps_the_host_serving(run_app: Any, mounted: Any) -> None:
    services: list[WebSocketService] = []

    def build() -> Application:
        app = Application([(r"/page", Page)])
        services.append(mounted(app, echoing()))
        return app

    running = run_app(build)
    client = running.connect("/echo")
    draining = asyncio.run_coroutine_threadsafe(services[0].drain(code=1012), running.loop)
    assert client.answer_close()[0] == 1012
    draining.result(10)
    assert running.connect().handshake("/echo").status == 503
    assert running.connect().fetch("/page").text == "page of /page"


def test_mount_needs_a_running_loop() -> None:
    with pytest.raises(ConfigurationError, match="no event loop is running"):
        mount(Application(), echoing())


def test_mount_refuses_settings_of_a_server() -> None:
    strategy = TornadoStrategy().configure(max_body_size=10)
    with pytest.raises(ConfigurationError, match="max_body_size"):
        mount(Application(), echoing(), strategy=strategy)


def test_unfinished_answer_is_cut(run_app: Any, mounted: Any) -> None:
    registry = WebSocketHandlerRegistry()

    async def forgetful(request: Any, response: Any) -> None:
        await response.start(200)
        await response.write(b"and then")

    registry.add_http_handler(forgetful, "/forgetful")

    def build() -> Application:
        app = Application()
        mounted(app, registry)
        return app

    client = run_app(build).connect()
    client.stream.write(b"GET /forgetful HTTP/1.1\r\nHost: x\r\n\r\n")
    assert client.stream.read_to_end().endswith(b"8\r\nand then\r\n")


def test_unread_body_is_read_away_and_the_connection_kept(run_app: Any, mounted: Any) -> None:
    registry = WebSocketHandlerRegistry()

    async def uninterested(request: Any, response: Any) -> None:
        await response.send(200, body=b"no matter")

    registry.add_http_handler(uninterested, "/uninterested")

    def build() -> Application:
        app = Application()
        mounted(app, registry)
        return app

    client = run_app(build).connect()
    for _ in range(2):
        answer = client.fetch("/uninterested", method="POST", body=bytes(500_000))
        assert answer.body == b"no matter"


def test_a_body_without_end_is_not_read_for_ever(run_app: Any, mounted: Any) -> None:
    registry = WebSocketHandlerRegistry()

    async def uninterested(request: Any, response: Any) -> None:
        await response.send(200, body=b"no matter")

    registry.add_http_handler(uninterested, "/uninterested")

    def build() -> Application:
        app = Application()
        mounted(app, registry)
        return app

    client = run_app(build).connect()
    head = b"POST /uninterested HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n"
    client.stream.write(head + bytes(100))
    assert client.stream.read_to_end().endswith(b"no matter")

"""turnout in front of a WSGI application on a pywsgi server that somebody else runs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import gevent
import pytest
from gevent.pool import Pool

from turnout import (
    CloseStatus,
    HandshakeInterceptor,
    TextWebSocketHandler,
    WebSocketHandlerRegistry,
)
from turnout.testing.frames import TEXT, encode_frame
from turnout.testing.http import read_response
from turnout_adapters.gevent import GeventApplication, mount

if TYPE_CHECKING:
    from tests.adapters.gevent.conftest import RunServer

Environ = dict[str, Any]


def host(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer as the web application that was there before."""
    body = environ["wsgi.input"].read() if environ["REQUEST_METHOD"] == "POST" else b""
    start_response("200 OK", [("X-Host", "yes"), ("Content-Type", "text/plain")])
    return [b"host saw ", environ["PATH_INFO"].encode("latin-1"), b" ", body]


class Recorder(TextWebSocketHandler):
    """Echoes, and keeps how sessions ended."""

    def __init__(self) -> None:
        self.closed: list[CloseStatus] = []

    def handle_text_message(self, session: Any, message: Any) -> None:
        session.send(message)

    def after_connection_closed(self, session: Any, status: CloseStatus) -> None:
        self.closed.append(status)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def registry(recorder: Recorder) -> WebSocketHandlerRegistry:
    registry = WebSocketHandlerRegistry()
    registry.add_handler(recorder, "/echo", "/rooms/{room}")

    async def page(request: Any, response: Any) -> None:
        await response.send(200, [], b"a page of turnout")

    registry.add_http_handler(page, "/page")
    return registry


def test_the_hosts_routes_are_untouched(
    run_server: RunServer, registry: WebSocketHandlerRegistry
) -> None:
    server = run_server(lambda: mount(host, registry))
    client = server.connect()
    for target in ("/", "/echo", "/no/such"):  # a plain GET of a WebSocket's path is the host's
        response = client.fetch(target)
        assert (response.status, response.headers["X-Host"]) == (200, "yes")
        assert response.body == f"host saw {target} ".encode()
    assert client.fetch("/x", method="POST", body=b"body").body == b"host saw /x body"
    assert client.fetch("/page").body == b"a page of turnout"
    assert client.handshake("/no/such").headers["X-Host"] == "yes"


def test_a_websocket_beside_them(run_server: RunServer, registry: WebSocketHandlerRegistry) -> None:
    server = run_server(lambda: mount(host, registry))
    client = server.connect("/echo")
    client.send_text("hello")
    assert client.read_text() == "hello"
    assert len(server.turnout.service) == 1
    assert client.close(4001, "bye") == (4001, "bye")


def test_without_a_host_application_there_is_nothing_else(
    run_server: RunServer, registry: WebSocketHandlerRegistry
) -> None:
    server = run_server(lambda: mount(None, registry))
    assert server.connect().fetch("/").status == 404


def test_the_101_is_what_core_made_it(
    run_server: RunServer, registry: WebSocketHandlerRegistry
) -> None:
    server = run_server(lambda: mount(host, registry))
    response = server.connect().handshake("/echo")
    names = [name.lower() for name, _ in response.headers.fields()]
    assert names == ["upgrade", "connection", "sec-websocket-accept"]


def test_frames_that_come_with_the_request_are_delivered(
    run_server: RunServer, registry: WebSocketHandlerRegistry
) -> None:
    server = run_server(lambda: mount(host, registry))
    client = server.connect()
    request = client.handshake_request("/echo").encode()
    frames = b"".join(encode_frame(TEXT, str(number).encode()) for number in range(3))
    client.stream.write(request + frames)
    assert read_response(client.stream, head_only=True).status == 101
    assert [client.read_text() for _ in range(3)] == ["0", "1", "2"]


def test_the_body_of_a_refused_handshake_is_no_next_request(
    run_server: RunServer, registry: WebSocketHandlerRegistry
) -> None:
    """To such a request pywsgi gives the bare reader as `wsgi.input`."""
    server = run_server(lambda: mount(host, registry))
    client = server.connect()
    refused = client.handshake("/echo", version="12", headers=(("Content-Length", "0"),))
    assert refused.status == 426
    head = client.handshake_request("/echo", headers=(("Content-Length", "5"),)).encode()
    assert client.request(head + b"body!").status == 400
    assert client.fetch("/").headers["X-Host"] == "yes"
    assert server.error_log.getvalue() == ""


def test_pywsgis_bookkeeping_spans_the_session(
    run_server: RunServer, registry: WebSocketHandlerRegistry
) -> None:
    server = run_server(lambda: mount(host, registry), spawn=Pool(5))
    client = server.connect("/echo?token=1")
    assert server.pooled == 1
    assert server.access_log.getvalue() == ""
    client.send_text("x" * 100)
    client.read_text()
    client.close()
    server.wait_until(lambda: server.pooled == 0)
    (line,) = server.access_log.getvalue().splitlines()
    assert '"GET /echo?token=1 HTTP/1.1" 101 ' in line


def test_after_the_session_nothing_is_read_as_a_request(
    run_server: RunServer, registry: WebSocketHandlerRegistry
) -> None:
    server = run_server(lambda: mount(host, registry))
    client = server.connect("/echo")
    client.send_close(1000)
    client.stream.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert client.read_close() == (1000, "")
    assert client.stream.read_to_end() == b""
    server.wait_until(lambda: " 101 " in server.access_log.getvalue())
    assert " 200 " not in server.access_log.getvalue()
    assert server.error_log.getvalue() == ""


def test_requests_of_one_connection_share_no_context(run_server: RunServer) -> None:
    from contextvars import ContextVar

    seen: ContextVar[int] = ContextVar("seen", default=0)
    registry = WebSocketHandlerRegistry()

    def count(request: Any, response: Any) -> None:
        seen.set(seen.get() + 1)
        response.send(200, [], str(seen.get()).encode())

    registry.add_http_handler(count, "/count")
    client = run_server(lambda: mount(None, registry)).connect()
    assert [client.fetch("/count").body for _ in range(3)] == [b"1", b"1", b"1"]


class TestBehindAMiddleware:
    """One that wraps `start_response`, as those do that set cookies."""

    @staticmethod
    def wrap(application: GeventApplication) -> tuple[GeventApplication, Any]:
        def middleware(environ: Environ, start_response: Callable[..., Any]) -> Any:
            def start(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
                return start_response(status, [*headers, ("Set-Cookie", "seen=1")], *exc_info)

            environ["session"] = {"user": "ada"}
            return application(environ, start)

        return application, middleware

    @pytest.fixture
    def registry(self) -> WebSocketHandlerRegistry:
        registry = WebSocketHandlerRegistry()

        class Tell(HandshakeInterceptor):
            def before_handshake(
                self, request: Any, response: Any, handler: Any, attributes: dict[str, Any]
            ) -> bool:
                attributes["user"] = request.native["session"]["user"]
                attributes["headers"] = request.headers.get_all("x-tag")
                attributes["peer"] = request.remote_address
                return True

        @registry.websocket("/rooms/{room}", interceptors=[Tell()])
        def tell(session: Any) -> None:
            session.send(session.path_variables["room"])
            session.send(session.attributes["user"])
            session.send(",".join(session.attributes["headers"]))
            session.send(session.attributes["peer"][0])
            for message in session:
                session.send(message)

        return registry

    @pytest.mark.parametrize(
        ("handler_class", "room"), [(None, "a b"), ("turnout's", "a b")], ids=["environ", "handler"]
    )
    def test_it_is_served_and_the_cookie_is_set(
        self,
        run_server: RunServer,
        registry: WebSocketHandlerRegistry,
        handler_class: Any,
        room: str,
    ) -> None:
        server = run_server(lambda: self.wrap(mount(host, registry)), handler_class=handler_class)
        client = server.connect()
        response = client.open("/rooms/a%20b", headers=[("X-Tag", "one")])
        assert response.headers["Set-Cookie"] == "seen=1"
        assert [client.read_text() for _ in range(4)] == [room, "ada", "one", "127.0.0.1"]
        client.send_text("and on")
        assert client.read_text() == "and on"
        assert client.close() == (1000, "")
        assert server.connect().fetch("/").headers["Set-Cookie"] == "seen=1"
        assert server.error_log.getvalue() == ""

    def test_only_the_handler_class_knows_an_encoded_slash(
        self, run_server: RunServer, registry: WebSocketHandlerRegistry
    ) -> None:
        plain = run_server(lambda: self.wrap(mount(None, registry)))
        assert plain.connect().handshake("/rooms/a%2Fb").status == 404
        knowing = run_server(lambda: self.wrap(mount(None, registry)), handler_class="turnout's")
        assert knowing.connect("/rooms/a%2Fb").read_text() == "a/b"


class TestTheEnd:
    def test_drain_from_another_thread(
        self, run_server: RunServer, registry: WebSocketHandlerRegistry, recorder: Recorder
    ) -> None:
        server = run_server(lambda: mount(host, registry))
        clients = [server.connect("/echo") for _ in range(5)]
        server.turnout.runtime.call_inside(lambda: gevent.spawn(server.turnout.drain, None, 1012))
        assert [client.answer_close() for client in clients] == [(1012, "")] * 5
        server.turnout.drain()
        assert recorder.closed == [CloseStatus(1012)] * 5
        refused = server.connect().handshake("/echo")
        assert refused.status == 503
        assert server.connect().fetch("/").status == 200

    def test_drain_on_stop(
        self, run_server: RunServer, registry: WebSocketHandlerRegistry, recorder: Recorder
    ) -> None:
        server = run_server(lambda: mount(host, registry), spawn=Pool(10))
        server.inside(lambda: server.turnout.drain_on_stop(server.server))
        client = server.connect("/echo")
        server.turnout.runtime.call_inside(lambda: gevent.spawn(server.server.stop))
        assert client.answer_close() == (1001, "")
        server.wait_until(lambda: recorder.closed == [CloseStatus(1001)])

    def test_a_server_that_kills_its_pool_leaves_no_handler_untold(
        self, run_server: RunServer, registry: WebSocketHandlerRegistry, recorder: Recorder
    ) -> None:
        server = run_server(lambda: mount(host, registry), spawn=Pool(10))
        client = server.connect("/echo")
        server.turnout.runtime.call_inside(lambda: gevent.spawn(server.server.stop, timeout=0.01))
        assert client.answer_close()[0] == 1001
        server.wait_until(lambda: recorder.closed == [CloseStatus(1001)])
        server.wait_until(lambda: server.pooled == 0)


def test_a_timeout_that_leaves_a_handler_closes_with_1011(
    run_server: RunServer, caplog: pytest.LogCaptureFixture
) -> None:
    """`gevent.Timeout` is no `Exception`."""
    registry = WebSocketHandlerRegistry()

    @registry.websocket("/impatient")
    def impatient(session: Any) -> None:
        with gevent.Timeout(0.01):
            session.receive()

    server = run_server(lambda: mount(None, registry))
    with caplog.at_level(logging.ERROR):
        client = server.connect("/impatient")
        assert client.answer_close()[0] == 1011
    assert "left the handler" in caplog.text

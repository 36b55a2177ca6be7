"""turnout on the server and handler class of gevent-websocket, beside its own WebSockets."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import gevent
import pytest
from gevent.pool import Pool
from gevent.pywsgi import WSGIHandler
from geventwebsocket.exceptions import WebSocketError
from geventwebsocket.handler import WebSocketHandler
from geventwebsocket.websocket import WebSocket

from turnout import CloseStatus, ConfigurationError, TextWebSocketHandler, WebSocketHandlerRegistry
from turnout.testing.frames import BINARY, CLOSE, PING, PONG, TEXT
from turnout_adapters.gevent_websocket import GeventWebSocketStrategy, SessionWebSocket, mount

if TYPE_CHECKING:
    from tests.adapters.gevent_websocket.conftest import RunServer

Environ = dict[str, Any]


def host(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer as an application written for gevent-websocket does."""
    web_socket = environ.get("wsgi.websocket")
    if web_socket is None:
        start_response("200 OK", [("X-Host", "yes")])
        return [b"a page"]
    while (message := web_socket.receive()) is not None:
        web_socket.send(f"host: {message}")
    return []


class Recorder(TextWebSocketHandler):
    """Echoes, and keeps how sessions ended."""

    def __init__(self) -> None:
        self.natives: list[SessionWebSocket] = []
        self.closed: list[CloseStatus] = []

    def after_connection_established(self, session: Any) -> None:
        self.natives.append(session.native)

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
    registry.add_handler(recorder, "/echo")
    return registry


def test_the_hosts_own_websockets_and_pages_go_on(
    run_server: RunServer, registry: WebSocketHandlerRegistry
) -> None:
    server = run_server(lambda: mount(host, registry), handler_class="turnout's")
    assert server.connect().fetch("/").headers["X-Host"] == "yes"
    assert server.connect().fetch("/echo").body == b"a page"
    client = server.connect("/another")
    client.send_text("hello")
    assert client.read_text() == "host: hello"


def test_a_websocket_of_turnouts_beside_them(
    run_server: RunServer, registry: WebSocketHandlerRegistry, recorder: Recorder
) -> None:
    server = run_server(lambda: mount(host, registry), handler_class="turnout's", spawn=Pool(5))
    client = server.connect()
    response = client.open("/echo")
    names = [name.lower() for name, _ in response.headers.fields()]
    assert names == ["upgrade", "connection", "sec-websocket-accept"]
    client.send_text("hello")
    assert client.read_text() == "hello"
    assert server.pooled == 1
    assert client.close(4001, "bye") == (4001, "bye")
    server.wait_until(lambda: server.pooled == 0)
    assert recorder.closed == [CloseStatus(4001, "bye")]
    assert server.error_log.getvalue() == ""


def test_the_handshake_is_decided_before_anything_is_sent(
    run_server: RunServer, registry: WebSocketHandlerRegistry
) -> None:
    server = run_server(lambda: mount(host, registry), handler_class="turnout's")
    assert server.connect().handshake("/echo", origin="https://foreign.example").status == 403
    assert server.connect().handshake("/echo", version="8").status == 426
    assert server.connect().handshake("/echo", key="abc").status == 400


def test_the_servers_list_of_clients_is_kept(
    run_server: RunServer, registry: WebSocketHandlerRegistry, recorder: Recorder
) -> None:
    server = run_server(lambda: mount(host, registry), handler_class="turnout's")
    client = server.connect("/echo")
    server.wait_until(lambda: len(recorder.natives) == 1)
    ((_, listed),) = server.server.clients.items()  # type: ignore[attr-defined]  # gevent-websocket's
    assert listed.ws is recorder.natives[0]
    client.close()
    server.wait_until(lambda: server.server.clients == {})  # type: ignore[attr-defined]  # as above


def test_clients_of_one_address_do_not_disturb_each_other(
    run_server: RunServer, registry: WebSocketHandlerRegistry, recorder: Recorder
) -> None:
    """On a Unix socket all addresses are empty: gevent-websocket raises KeyError there."""
    server = run_server(lambda: mount(None, registry), handler_class="turnout's")
    handler_class: Any = server.turnout.handler_class
    handler_class.client_address = property(lambda self: "", lambda self, address: None)
    clients = [server.connect("/echo") for _ in range(3)]
    assert [client.close(4000) for client in clients] == [(4000, "")] * 3
    server.wait_until(lambda: len(recorder.closed) == 3)
    assert server.server.clients == {}  # type: ignore[attr-defined]  # gevent-websocket's
    assert server.error_log.getvalue() == ""


def test_a_server_without_the_handler_class_is_told_so(
    run_server: RunServer, registry: WebSocketHandlerRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    server = run_server(lambda: mount(host, registry), handler_class=WebSocketHandler)
    server.connect().handshake("/echo")
    server.wait_until(lambda: "handler_class=application.handler_class" in caplog.text)
    caplog.clear()  # its traceback holds the connection


def test_drain(
    run_server: RunServer, registry: WebSocketHandlerRegistry, recorder: Recorder
) -> None:
    server = run_server(lambda: mount(host, registry), handler_class="turnout's")
    client = server.connect("/echo")
    server.turnout.runtime.call_inside(lambda: gevent.spawn(server.turnout.drain))
    assert client.answer_close() == (1001, "")
    server.turnout.drain()
    assert recorder.closed == [CloseStatus(1001)]


class TestNative:
    """`session.native`: code written for gevent-websocket goes on working, through the session."""

    @pytest.fixture
    def registry(self) -> WebSocketHandlerRegistry:
        registry = WebSocketHandlerRegistry()

        @registry.websocket("/legacy")
        def legacy(session: Any) -> None:
            web_socket: WebSocket = session.native
            assert isinstance(web_socket, WebSocket)
            while (message := web_socket.receive()) is not None:
                if message == "control":
                    web_socket.send_frame(b"hi", web_socket.OPCODE_PING)
                    web_socket.send_frame(b"", web_socket.OPCODE_PONG)
                elif message == "close":
                    web_socket.close(4001, b"bye")
                    with pytest.raises(WebSocketError):
                        web_socket.send("too late")
                    web_socket.close()
                elif message == "path":
                    web_socket.send(web_socket.path)
                else:
                    web_socket.send(message)

        @registry.websocket("/many")
        def many(session: Any) -> None:
            senders = [gevent.spawn(session.native.send, bytes([n]) * 300_000) for n in range(10)]
            gevent.joinall(senders, raise_error=True)

        return registry

    @pytest.fixture
    def server(self, run_server: RunServer, registry: WebSocketHandlerRegistry) -> Any:
        return run_server(lambda: mount(None, registry), handler_class="turnout's")

    def test_text_and_bytes_as_they_are(self, server: Any) -> None:
        client = server.connect("/legacy")
        client.send_text("text")
        client.send_binary(b"\x00\xff")
        assert [client.read_message().payload for _ in range(2)] == ["text", b"\x00\xff"]
        client.send_text("path")
        assert client.read_text() == "/legacy"
        assert client.close() == (1000, "")

    def test_control_frames_carry_what_they_are_given(self, server: Any) -> None:
        client = server.connect("/legacy")
        client.send_text("control")
        frames = [client.read_frame() for _ in range(2)]
        assert [(frame.opcode, frame.payload) for frame in frames] == [(PING, b"hi"), (PONG, b"")]

    def test_a_close_has_code_and_reason(self, server: Any) -> None:
        client = server.connect("/legacy")
        client.send_text("close")
        assert client.answer_close() == (4001, "bye")
        assert server.error_log.getvalue() == ""

    def test_many_greenlets_may_send_at_once(self, server: Any) -> None:
        client = server.connect("/many")
        received = sorted(client.read_binary() for _ in range(10))
        assert received == [bytes([number]) * 300_000 for number in range(10)]

    def test_what_gets_between_frames_is_refused(self, server: Any) -> None:
        from turnout import UsageError

        client = server.connect("/legacy")
        server.wait_until(lambda: len(server.turnout.service) == 1)
        (session,) = server.turnout.service.registry.sessions.values()
        with pytest.raises(UsageError, match="send"):
            session.native.raw_write(b"anything")
        with pytest.raises(UsageError, match="receive"):
            session.native.raw_read(1)
        with pytest.raises(UsageError, match="close"):
            session.native.send_frame(b"", CLOSE)
        session.native.send_frame("text", TEXT)
        session.native.send_frame("bytes", BINARY)
        assert [client.read_message().payload for _ in range(2)] == ["text", b"bytes"]


def test_configure_takes_a_handler_class_of_gevent_websockets_only() -> None:
    class Mine(WebSocketHandler):  # type: ignore[misc]  # gevent-websocket is untyped
        pass

    strategy = GeventWebSocketStrategy().configure(handler_class=Mine)
    application = strategy.application(WebSocketHandlerRegistry())
    assert issubclass(application.handler_class, Mine)
    with pytest.raises(ConfigurationError, match="subclass of WebSocketHandler"):
        GeventWebSocketStrategy().configure(handler_class=WSGIHandler)

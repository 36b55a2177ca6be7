"""turnout in front of a WSGI application on cheroot."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from cheroot.ssl.builtin import BuiltinSSLAdapter
from tests.adapters.cheroot.conftest import DEADLINE, RunServer

from turnout import WebSocketHandlerRegistry, WebSocketOptions
from turnout.errors import ConfigurationError, UnsupportedOptionError
from turnout.testing.certificates import Certificate
from turnout.testing.client import RawClient
from turnout.testing.frames import CLOSE, TEXT, close_payload, encode_frame
from turnout.testing.http import read_response
from turnout_adapters.cheroot import CherootApplication, CherootStrategy, mount


def page(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer as the web application that was there before."""
    start_response("200 OK", [("X-Host", "yes"), ("Content-Type", "text/plain")])
    return [b"page ", environ["PATH_INFO"].encode("latin-1")]


def make(app: Any = page, **settings: Any) -> CherootApplication:
    """Return an application that echoes at `/echo`."""
    registry = WebSocketHandlerRegistry(options=WebSocketOptions(close_timeout=1))

    @registry.websocket("/echo")
    def echo(session: Any) -> None:
        for message in session:
            session.send(message)

    return mount(app, registry, CherootStrategy().configure(**settings))


def test_a_websocket_beside_the_hosts_routes(run_server: RunServer) -> None:
    server = run_server(make())
    with server.connect("/echo") as client, server.connect() as other:
        client.send_text("hello")
        assert client.read_text() == "hello"
        for target in ("/", "/echo"):  # a plain GET of a WebSocket's path is the host's
            response = other.fetch(target)
            assert response.body == f"page {target}".encode()
            assert response.headers["X-Host"] == "yes"
        assert client.close(4001, "bye") == (4001, "bye")
    assert server.errors == []


def test_the_101_is_what_core_made_it(run_server: RunServer) -> None:
    with run_server(make()).connect() as client:
        response = client.handshake("/echo")
        names = [name.lower() for name, _ in response.headers.fields()]
        assert names == ["upgrade", "connection", "sec-websocket-accept"]


def test_frames_that_come_with_the_request_are_delivered(run_server: RunServer) -> None:
    with run_server(make()).connect() as client:
        request = client.handshake_request("/echo").encode()
        frames = b"".join(encode_frame(TEXT, str(number).encode()) for number in range(3))
        client.stream.write(request + frames)
        assert read_response(client.stream, head_only=True).status == 101
        assert [client.read_text() for _ in range(3)] == ["0", "1", "2"]


@pytest.mark.parametrize("wrapped", [False, True], ids=["", "behind a middleware"])
def test_cheroot_writes_and_reads_nothing_after_the_session(
    run_server: RunServer, wrapped: bool
) -> None:
    application = make()

    def middleware(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        return application(environ, lambda *given: start_response(*given))  # noqa: PLW0108  # its own

    server = run_server(middleware if wrapped else application)
    with server.connect("/echo") as client:
        smuggled = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
        client.stream.write(encode_frame(CLOSE, close_payload(1000, b"")) + smuggled)
        assert client.read_close() == (1000, "")
        assert client.stream.read_to_end() == b""
    assert server.errors == []


def test_one_thread_stays_free_for_http_when_websockets_have_all_others(
    run_server: RunServer,
) -> None:
    server = run_server(make(), numthreads=3)
    with server.connect("/echo"), server.connect("/echo"), server.connect() as third:
        response = third.handshake("/echo")
        assert response.status == 503
        assert response.body == b"The server has no thread left for another WebSocket."
        assert third.fetch("/").status == 200


def test_how_many_threads_stay_free_can_be_set(run_server: RunServer) -> None:
    server = run_server(make(reserved_threads=2), numthreads=3)
    with server.connect("/echo"), server.connect() as second:
        assert second.handshake("/echo").status == 503


def test_the_end_of_the_server_drains(run_server: RunServer) -> None:
    application = make()
    server = run_server(application)
    application.drain_on_stop(server.server)
    with server.connect("/echo") as client:
        stopping = threading.Thread(target=server.server.stop)
        stopping.start()
        assert client.answer_close() == (1001, "")
        stopping.join(DEADLINE)
        assert not stopping.is_alive()


def test_tls(run_server: RunServer, tmp_path: Any) -> None:
    certificate = Certificate.make(tmp_path)
    server = run_server(make())
    server.server.ssl_adapter = BuiltinSSLAdapter(str(certificate.chain), str(certificate.key))
    with RawClient(server.address, tls=certificate.client_context()) as client:
        client.open("/echo")
        client.send_text("x" * 300_000)
        assert client.read_text() == "x" * 300_000
        client.send_close(1000)
        assert client.read_close() == (1000, "")
        assert client.stream.read_to_end() == b""
    assert server.errors == []


def test_where_bytes_would_be_lost_there_is_no_upgrade(run_server: RunServer) -> None:
    application = make()

    def middleware(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ["wsgi.input"] = object()
        return application(environ, start_response)

    with run_server(middleware).connect() as client:
        assert client.handshake("/echo").status == 500


def test_the_time_of_a_request_is_the_hosts() -> None:
    registry = WebSocketHandlerRegistry(options=WebSocketOptions(handshake_timeout=3))
    with pytest.raises(UnsupportedOptionError, match="handshake_timeout"):
        mount(None, registry)


def test_settings() -> None:
    strategy = CherootStrategy().configure(max=10, server_name="x", reserved_threads=0)
    assert strategy.native_settings == {"max": 10, "server_name": "x"}
    with pytest.raises(ConfigurationError, match="numthreads is decided by turnout"):
        CherootStrategy().configure(numthreads=3)
    with pytest.raises(ConfigurationError, match="did you mean 'server_name'"):
        CherootStrategy().configure(servername="x")


# What cheroot does by itself: each of these fails when it has changed, and a shim can go.


def take_the_socket(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Take the socket over as an application would that knows nothing of cheroot's request."""
    sock = environ["wsgi.input"].rfile.raw._sock
    sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\n\r\nclose frame")
    start_response("101 Switching Protocols", [])
    return ()


def test_cheroot_writes_a_response_behind_the_close_frame(run_server: RunServer) -> None:
    """Why an upgraded request is marked as answered."""
    with run_server(take_the_socket).connect() as client:
        client.stream.write(client.handshake_request("/").encode())
        client.stream.read_until(b"close frame")
        assert client.stream.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 101 ")


def test_cheroot_keeps_the_last_of_fields_with_the_same_name(run_server: RunServer) -> None:
    """Why `serve` has `SentFields`."""
    seen: list[str] = []

    def look(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        seen.append(environ["HTTP_X_TWICE"])
        return page(environ, start_response)

    with run_server(look).connect() as client:
        request = b"GET / HTTP/1.1\r\nHost: x\r\nX-Twice: 1\r\nX-Twice: 2\r\n\r\n"
        assert client.request(request).status == 200
    assert seen == ["2"]


def test_cheroot_adds_no_threads_by_itself(run_server: RunServer) -> None:
    """Why `serve` has threads of its own, and why those of a host bound its WebSockets."""
    server = run_server(make(reserved_threads=0), numthreads=1)
    with server.connect("/echo") as client:
        with server.connect() as waiting:
            waiting.stream.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert not waiting.stream.has_data(timeout=0.3)
            client.close()
            assert read_response(waiting.stream).status == 200

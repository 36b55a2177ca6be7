"""turnout in front of a WSGI application on cheroot."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

import pytest
from cheroot.ssl.builtin import BuiltinSSLAdapter
from tests.adapters.threaded_host import DEADLINE, RunServer
from tests.adapters.threaded_mounted import *  # noqa: F403  # the tests are the same for each server
from tests.adapters.threaded_mounted import page

from turnout import WebSocketHandlerRegistry, WebSocketOptions
from turnout.errors import ConfigurationError
from turnout.testing.certificates import Certificate
from turnout.testing.client import RawClient
from turnout.testing.frames import CLOSE, close_payload, encode_frame
from turnout_adapters.cheroot import CherootApplication, CherootStrategy, mount


def make(app: Any = page, **settings: Any) -> CherootApplication:
    """Return an application that echoes at `/echo`."""
    registry = WebSocketHandlerRegistry(options=WebSocketOptions(close_timeout=1))

    @registry.websocket("/echo")
    def echo(session: Any) -> None:
        for message in session:
            session.send(message)

    return mount(app, registry, CherootStrategy().configure(**settings))


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


def test_settings() -> None:
    strategy = CherootStrategy().configure(max=10, server_name="x", reserved_threads=0)
    assert strategy.native_settings == {"max": 10, "server_name": "x"}
    with pytest.raises(ConfigurationError, match="numthreads is decided by turnout"):
        CherootStrategy().configure(numthreads=3)
    with pytest.raises(ConfigurationError, match="did you mean 'server_name'"):
        CherootStrategy().configure(servername="x")

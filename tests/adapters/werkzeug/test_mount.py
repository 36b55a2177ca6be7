"""turnout in front of a WSGI application on Werkzeug's own server."""

from __future__ import annotations

import logging
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from tests.adapters.werkzeug.conftest import DEADLINE, RunServer
from werkzeug.debug import DebuggedApplication

from turnout import WebSocketHandlerRegistry, WebSocketOptions
from turnout.errors import UnsupportedOptionError
from turnout.testing.certificates import Certificate
from turnout.testing.client import RawClient
from turnout.testing.frames import TEXT, encode_frame
from turnout.testing.http import read_response
from turnout_adapters.werkzeug import WerkzeugApplication, mount


def page(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer as the web application that was there before."""
    start_response("200 OK", [("X-Host", "yes"), ("Content-Type", "text/plain")])
    return [b"page ", environ["PATH_INFO"].encode("latin-1")]


class Ends:
    """Waits for the ends of sessions."""

    def __init__(self) -> None:
        self.codes: list[int] = []
        self.ended = threading.Event()


def make(app: Any = page, ends: Ends | None = None) -> WerkzeugApplication:
    """Return an application that echoes at `/echo`."""
    registry = WebSocketHandlerRegistry(options=WebSocketOptions(close_timeout=1))

    @registry.websocket("/echo")
    async def echo(session: Any) -> None:
        try:
            async for message in session:
                await session.send(message)
        finally:
            if ends is not None:
                ends.codes.append(session.close_status.code)
                ends.ended.set()

    return mount(app, registry)


def test_a_websocket_beside_the_hosts_routes(run_server: RunServer) -> None:
    server = run_server(make())
    with server.connect("/echo") as client:
        client.send_text("hello")
        assert client.read_text() == "hello"
        for target in ("/", "/echo"):  # a plain GET of a WebSocket's path is the host's
            with server.connect() as other:
                response = other.fetch(target)
                assert response.body == f"page {target}".encode()
                assert response.headers["X-Host"] == "yes"
        assert client.close(4001, "bye") == (4001, "bye")


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


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_nothing_follows_the_close_frame_and_nothing_is_complained_of(
    run_server: RunServer, secure: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    certificate = Certificate.make(tmp_path)
    ends = Ends()
    with caplog.at_level(logging.INFO):
        files = (str(certificate.chain), str(certificate.key)) if secure else None
        server = run_server(make(ends=ends), ssl_context=files)
        tls = certificate.client_context() if secure else None
        with server.connect("/echo", tls=tls) as client:
            client.send_text("x" * 200_000)
            assert client.read_text() == "x" * 200_000
            client.send_close(1000)
            assert client.read_close() == (1000, "")
            assert client.stream.read_to_end() == b""
        assert ends.ended.wait(DEADLINE)
    assert not [one for one in caplog.records if one.levelno >= logging.WARNING]


def test_a_debugger_in_between_has_nothing_to_report(
    run_server: RunServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server = run_server(DebuggedApplication(make(), evalex=False))
    with server.connect("/echo") as client:
        client.send_close(1000)
        assert client.read_close() == (1000, "")
        assert client.stream.read_to_end() == b""
    with server.connect() as client:
        assert client.fetch("/").status == 200
    assert "Traceback" not in capsys.readouterr().err


def test_a_server_without_threads_takes_no_websocket(run_server: RunServer) -> None:
    server = run_server(make(), threaded=False)
    with server.connect() as client:
        response = client.handshake("/echo")
        assert response.status == 503
        assert response.body == b"The server has no thread left for another WebSocket."
    with server.connect() as client:
        assert client.fetch("/").status == 200


def test_the_time_of_a_request_is_the_hosts() -> None:
    registry = WebSocketHandlerRegistry(options=WebSocketOptions(handshake_timeout=3))
    with pytest.raises(UnsupportedOptionError, match="handshake_timeout"):
        mount(None, registry)


PROGRAM = """
import sys, threading
sys.path.insert(0, {root!r})
from tests.adapters.werkzeug.test_mount import make
from tests.adapters.werkzeug.conftest import Running
running = Running(make())
print(running.address[1], flush=True)
sys.stdin.readline()
running.close()
"""


def test_what_is_open_when_the_process_ends_is_closed_then() -> None:
    root = str(Path(__file__).parents[3])
    program = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PROGRAM.format(root=root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert program.stdout is not None
        with RawClient(("127.0.0.1", int(program.stdout.readline())), timeout=DEADLINE) as client:
            client.open("/echo")
            assert program.stdin is not None
            program.stdin.write("end\n")
            program.stdin.flush()
            assert client.answer_close() == (1001, "")
        _, errors = program.communicate(timeout=DEADLINE)
        assert (program.returncode, "Traceback" in errors) == (0, False), errors
    finally:
        program.kill()
        program.communicate()


def take_the_socket(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Take the socket over as an application would that knows nothing of Werkzeug's handler."""
    environ["werkzeug.socket"].sendall(b"HTTP/1.1 101 Switching Protocols\r\n\r\nclose frame")
    start_response("101 Switching Protocols", [])
    return ()


def test_werkzeug_writes_a_response_behind_the_close_frame(run_server: RunServer) -> None:
    """Why the server is left with a socket that is shut down: fails when Werkzeug has changed."""
    with run_server(take_the_socket).connect() as client:
        client.stream.write(client.handshake_request("/").encode())
        client.stream.read_until(b"close frame")
        assert client.stream.read_to_end().startswith(b"HTTP/1.1 101 ")


def raise_for_a_client_that_went(
    environ: dict[str, Any], start_response: Callable[..., Any]
) -> Iterable[bytes]:
    """Fail as writing to a client does that has gone."""
    raise BrokenPipeError


def test_werkzeug_lets_a_client_go_that_has_gone(
    run_server: RunServer, caplog: pytest.LogCaptureFixture
) -> None:
    """What `ConnectionIsOver` stands on."""
    with run_server(raise_for_a_client_that_went).connect() as client:
        client.stream.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert client.stream.read_to_end() == b""
    assert not [one for one in caplog.records if one.levelno >= logging.ERROR]


def test_the_session_is_the_socket_of_the_server(run_server: RunServer) -> None:
    registry = WebSocketHandlerRegistry()
    seen: list[Any] = []

    @registry.websocket("/look")
    def look(session: Any) -> None:
        seen.extend([session.native, session.local_address, session.remote_address])

    server = run_server(mount(None, registry))
    with server.connect("/look") as client:
        own_address = client.stream.socket.getsockname()
        assert client.answer_close()[0] == 1000
    assert seen[1:] == [server.address, own_address]
    assert not isinstance(seen[0], ssl.SSLSocket)

"""turnout in front of a WSGI application on Werkzeug's own server."""

from __future__ import annotations

import logging
import ssl
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.adapters.threaded_host import DEADLINE, RunServer
from tests.adapters.threaded_mounted import *  # noqa: F403  # the tests are the same for each server
from tests.adapters.threaded_mounted import page
from werkzeug.debug import DebuggedApplication

from turnout import WebSocketHandlerRegistry, WebSocketOptions
from turnout.testing.certificates import Certificate
from turnout.testing.client import RawClient
from turnout_adapters.werkzeug import WerkzeugApplication, mount


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

"""What aiohttp keeps of a connection that has become a WebSocket, and what it had read already."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any

import pytest
from aiohttp import web

from turnout import (
    BinaryMessage,
    CloseStatus,
    HandshakeInterceptor,
    WebSocketHandler,
    WebSocketHandlerRegistry,
    WebSocketSession,
    plugins,
)
from turnout.testing.frames import BINARY, TEXT, encode_frame
from turnout.testing.http import read_response
from turnout_adapters.aiohttp import AiohttpStrategy, mount


class Recording(WebSocketHandler):
    """Notes how its sessions end."""

    def __init__(self) -> None:
        self.sessions: list[WebSocketSession] = []
        self.errors: list[Exception] = []
        self.closed: list[CloseStatus] = []
        self.over = threading.Event()

    async def after_connection_established(self, session: WebSocketSession) -> None:
        self.sessions.append(session)

    async def handle_transport_error(self, session: WebSocketSession, error: Exception) -> None:
        self.errors.append(error)

    async def after_connection_closed(self, session: WebSocketSession, status: CloseStatus) -> None:
        self.closed.append(status)
        self.over.set()


@pytest.fixture
def recording() -> Recording:
    return Recording()


@pytest.fixture
def serve(run_app: Any, mounted: Any) -> Any:
    """Return a function that serves one handler at /here."""

    def start(handler: Any, *, interceptors: Any = (), **settings: Any) -> Any:
        registry, app = WebSocketHandlerRegistry(), web.Application()
        registry.add_handler(handler, "/here", interceptors=interceptors)
        mounted(app, registry)
        return run_app(app, **settings)

    return start


class Echo(WebSocketHandler):
    async def handle_message(self, session: WebSocketSession, message: Any) -> None:
        await session.send(message)


class Waiting(HandshakeInterceptor):
    """Holds the handshake until it is told to go on."""

    def __init__(self) -> None:
        self.arrived = threading.Event()
        self.go_on = threading.Event()

    async def before_handshake(
        self, request: Any, response: Any, handler: Any, attributes: Any
    ) -> None:
        self.arrived.set()
        await asyncio.to_thread(self.go_on.wait, 10)


@pytest.mark.parametrize("size", [0, 5, 70_000, 300_000])
def test_bytes_that_come_before_the_101(serve: Any, size: int) -> None:
    waiting = Waiting()
    client = serve(Echo(), interceptors=[waiting]).connect()
    request = client.handshake_request("/here").encode()
    early = encode_frame(BINARY, b"x" * size) + encode_frame(TEXT, b"second")
    client.stream.write(request + early[:3])
    assert waiting.arrived.wait(10)
    sender = threading.Thread(target=client.stream.write, args=(early[3:-2],))
    sender.start()
    waiting.go_on.set()
    assert read_response(client.stream).status == 101
    assert client.read_binary() == b"x" * size
    sender.join(10)
    client.stream.write(early[-2:])
    assert client.read_text() == "second"


UNSEEN = {
    "several protocols": {"upgrade": "h2c, websocket"},
    "a body": {"headers": (("Content-Length", "5"),)},
}


@pytest.mark.parametrize("fields", UNSEEN.values(), ids=UNSEEN)
def test_upgrade_that_aiohttp_does_not_see(serve: Any, fields: dict[str, Any]) -> None:
    response = serve(Echo()).connect().handshake("/here", **fields)
    assert response.status == 400
    assert len(response.text.splitlines()) == 1


def test_refusal_of_a_handshake_with_frames_behind_it(serve: Any) -> None:
    client = serve(Echo()).connect()
    request = client.handshake_request("/here", version="12").encode()
    response = client.request(request + encode_frame(TEXT, b"too early"))
    assert (response.status, response.headers["Connection"]) == (426, "close")
    client.expect_end()


def test_connections_are_counted(serve: Any, recording: Recording) -> None:
    running = serve(recording)
    client = running.connect("/here")
    assert len(running.runner.server.connections) == 1
    client.close()

    async def requests_over() -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        if tasks:
            await asyncio.wait(tasks)

    running.call(requests_over())
    assert running.runner.server.connections == []


def test_access_log_has_the_session(
    serve: Any, recording: Recording, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="aiohttp.access")
    running = serve(recording)
    client = running.connect("/here")
    assert not [one for one in caplog.records if one.name == "aiohttp.access"]
    client.close()
    running.stop()
    (line,) = [one.getMessage() for one in caplog.records if one.name == "aiohttp.access"]
    assert '"GET /here HTTP/1.1" 101' in line


def test_reset_is_told_with_its_error(serve: Any, recording: Recording) -> None:
    client = serve(recording).connect("/here")
    client.stream.vanish()
    assert recording.over.wait(10)
    assert [type(error) for error in recording.errors] == [ConnectionResetError]
    assert [status.code for status in recording.closed] == [1006]


def test_end_of_stream_is_no_error(serve: Any, recording: Recording) -> None:
    client = serve(recording).connect("/here")
    client.stream.shut_down_writing()
    client.expect_end()
    assert recording.over.wait(10)
    assert recording.errors == []
    assert [status.code for status in recording.closed] == [1006]


def test_keep_alive_does_not_end_a_quiet_session(serve: Any) -> None:
    client = serve(Echo(), keepalive_timeout=0.2).connect("/here")
    assert not client.stream.has_data(timeout=0.7)
    client.send_text("awake")
    assert client.read_text() == "awake"


def test_cancelled_handlers_hear_of_the_end_once(serve: Any, recording: Recording) -> None:
    client = serve(recording, handler_cancellation=True).connect("/here")
    client.stream.vanish()
    assert recording.over.wait(10)
    connect = serve(Echo(), handler_cancellation=True).connect
    connect("/here").close()
    assert [status.code for status in recording.closed] == [1006]


def test_slow_reader_pauses_the_session_and_aiohttp(serve: Any, recording: Recording) -> None:
    running = serve(recording)
    client = running.connect("/here")

    async def flood() -> int:
        (session,) = recording.sessions
        (protocol,) = running.runner.server.connections
        posted = 0
        while not session.waiting_bytes:
            session.post(BinaryMessage(b"y" * 100_000))
            posted += 1
        assert protocol.writing_paused
        return posted

    for _ in range(running.call(flood())):
        assert len(client.read_binary()) == 100_000

    async def resumed() -> bool:
        (protocol,) = running.runner.server.connections
        return not protocol.writing_paused and not recording.sessions[0].waiting_bytes

    assert running.call(resumed())


def test_failure_after_the_101_cuts_the_connection(
    run_app: Any,
    variant: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: Any) -> Any:
        raise ValueError("after the fact")

    strategy = plugins.create("aiohttp", variant)
    assert isinstance(strategy, AiohttpStrategy)
    monkeypatch.setattr(strategy, "_connect", fail)
    registry, app = WebSocketHandlerRegistry(), web.Application()
    registry.add_handler(Echo(), "/here")
    mount(app, registry, strategy=strategy)
    client = run_app(app).connect("/here")
    assert client.stream.read_to_end() == b""
    assert "after the fact" in caplog.text
    assert "its connection is cut" in caplog.text

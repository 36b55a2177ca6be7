"""What happens to a connection on its way from Tornado to turnout, and afterwards."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tornado.web import Application

from turnout import (
    CloseStatus,
    HandshakeInterceptor,
    WebSocketHandler,
    WebSocketHandlerRegistry,
    WebSocketOptions,
    WebSocketSession,
)
from turnout.testing.frames import BINARY, CLOSE, TEXT, close_payload, encode_frame
from turnout.testing.http import read_response

SMALL = b"".join(encode_frame(TEXT, str(number).encode()) for number in range(3))
LARGE = encode_frame(BINARY, bytes(range(256)) * 1000)  # more than Tornado reads ahead


def wait_until(holds: Callable[[], bool]) -> None:
    """Return once `holds`; what is looked at lives in another thread and tells nobody."""
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline, "it never came about"
        threading.Event().wait(0.01)


class Hold(HandshakeInterceptor):
    """Keeps handshakes waiting until it is told to let them go."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.go_on = asyncio.Event()

    async def before_handshake(
        self, request: Any, response: Any, handler: object, attributes: dict[str, Any]
    ) -> bool:
        self.reached.set()
        await self.go_on.wait()
        return True


def echoing(*interceptors: HandshakeInterceptor) -> WebSocketHandlerRegistry:
    registry = WebSocketHandlerRegistry()

    @registry.websocket("/echo", interceptors=interceptors)
    async def echo(session: WebSocketSession) -> None:
        async for message in session:
            await session.send(message)

    @registry.websocket("/plain")
    def plain(session: Any) -> None:
        for message in session:
            session.send(message)

    return registry


def application(mounted: Any, registry: WebSocketHandlerRegistry) -> Callable[[], Application]:
    def build() -> Application:
        app = Application()
        mounted(app, registry)
        return app

    return build


@pytest.mark.parametrize("path", ["/echo", "/plain"])
def test_frames_that_come_with_the_request(run_app: Any, mounted: Any, tls: Any, path: str) -> None:
    client = run_app(application(mounted, echoing()), tls).connect()
    client.stream.write(client.handshake_request(path).encode() + SMALL + LARGE)
    assert read_response(client.stream).status == 101
    assert [client.read_text() for _ in range(3)] == ["0", "1", "2"]
    assert client.read_binary() == bytes(range(256)) * 1000
    client.send_text("later")
    assert client.read_text() == "later"


def test_frames_that_come_during_the_handshake(run_app: Any, mounted: Any, tls: Any) -> None:
    hold = Hold()
    running = run_app(application(mounted, echoing(hold)), tls)
    client = running.connect()
    client.stream.write(client.handshake_request("/echo").encode())
    assert hold.reached.wait(10)
    client.stream.write(SMALL + LARGE)
    running.loop.call_soon_threadsafe(hold.go_on.set)
    assert read_response(client.stream).status == 101
    assert [client.read_text() for _ in range(3)] == ["0", "1", "2"]
    assert client.read_binary() == bytes(range(256)) * 1000


def test_close_frame_and_end_come_with_the_request(run_app: Any, mounted: Any) -> None:
    registry = WebSocketHandlerRegistry()
    heard: list[object] = []
    over = threading.Event()

    @registry.websocket("/listen")
    async def listen(session: WebSocketSession) -> None:
        async for message in session:
            heard.append(message.payload)
        over.set()

    client = run_app(application(mounted, registry)).connect()
    goodbye = encode_frame(CLOSE, close_payload(4001, "bye"))
    client.stream.write(client.handshake_request("/listen").encode() + SMALL + goodbye)
    client.stream.shut_down_writing()
    assert read_response(client.stream).status == 101
    assert client.read_close() == (4001, "bye")
    client.expect_end()
    assert over.wait(10)
    assert heard == ["0", "1", "2"]


def test_client_that_goes_during_the_handshake(
    run_app: Any, mounted: Any, tls: Any, caplog: pytest.LogCaptureFixture
) -> None:
    hold = Hold()
    running = run_app(application(mounted, echoing(hold)), tls)
    client = running.connect()
    client.stream.write(client.handshake_request("/echo").encode())
    assert hold.reached.wait(10)
    client.stream.vanish()
    wait_until(lambda: not running.server._connections)
    running.loop.call_soon_threadsafe(hold.go_on.set)
    other = running.connect("/echo")
    other.send_text("still serving")
    assert other.read_text() == "still serving"


def test_the_101_has_our_fields_and_no_other(run_app: Any, mounted: Any, tls: Any) -> None:
    client = run_app(application(mounted, echoing()), tls).connect()
    key = "dGhlIHNhbXBsZSBub25jZQ=="
    client.stream.write(client.handshake_request("/echo", key=key).encode())
    assert client.stream.read_until(b"\r\n\r\n") == (
        b"HTTP/1.1 101 Switching Protocols\r\n"
        b"Upgrade: websocket\r\n"
        b"Connection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
        b"\r\n"
    )


def test_upgrade_on_a_connection_that_was_kept(run_app: Any, mounted: Any, tls: Any) -> None:
    registry = echoing()

    async def hello(request: Any, response: Any) -> None:
        await response.send(200, body=b"hello")

    registry.add_http_handler(hello, "/hello")
    client = run_app(application(mounted, registry), tls).connect()
    assert client.fetch("/hello").body == b"hello"
    assert client.handshake("/echo", version="7").status == 426
    client.open("/echo")
    client.send_text("on the same connection")
    assert client.read_text() == "on the same connection"


def test_tornado_lets_go_of_the_connection(run_app: Any, mounted: Any, tls: Any) -> None:
    running = run_app(application(mounted, echoing()), tls)
    client = running.connect("/echo")
    wait_until(lambda: not running.server._connections)  # as with its own WebSocket handlers
    running.call(running.server.close_all_connections())
    client.send_text("still open")
    assert client.read_text() == "still open"


def test_no_file_descriptor_is_left(run_app: Any, mounted: Any, tls: Any) -> None:
    running = run_app(application(mounted, echoing()), tls)

    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = descriptors()
    clients = [running.connect("/echo") for _ in range(20)]
    assert descriptors() == before + 2 * len(clients)
    for client in clients[:10]:
        client.close()
        client.stream.close()
    for client in clients[10:]:
        client.stream.vanish()
    wait_until(lambda: descriptors() == before)


def test_peer_that_leaves_a_paused_session(run_app: Any, mounted: Any, tls: Any) -> None:
    """While nothing is read, the next ping is what finds out."""
    closed: list[CloseStatus] = []
    over = threading.Event()

    class Slow(WebSocketHandler):
        async def handle_message(self, session: WebSocketSession, message: Any) -> None:
            await session.wait_closed()

        async def after_connection_closed(
            self, session: WebSocketSession, status: CloseStatus
        ) -> None:
            closed.append(status)
            over.set()

    registry = WebSocketHandlerRegistry()
    pings = WebSocketOptions(ping_interval=0.1, ping_timeout=0.1)
    registry.add_handler(Slow(), "/slow", options=pings)
    client = run_app(application(mounted, registry), tls).connect("/slow")
    client.stream.write_some(encode_frame(BINARY, bytes(60_000)) * 400, timeout=0.5)
    client.stream.vanish()
    assert over.wait(10)
    assert [status.code for status in closed] == [1006]


def test_large_messages_to_a_slow_reader_arrive_whole(run_app: Any, mounted: Any, tls: Any) -> None:
    registry = WebSocketHandlerRegistry()

    @registry.websocket("/much")
    async def much(session: WebSocketSession) -> None:
        for number in range(50):
            await session.send(bytes([number]) * 500_000)

    client = run_app(application(mounted, registry), tls).connect("/much")
    for number in range(50):
        assert client.read_binary() == bytes([number]) * 500_000
    assert client.answer_close()[0] == 1000


def test_violation_reaches_a_peer_that_is_still_sending(
    run_app: Any, mounted: Any, tls: Any
) -> None:
    """A socket closed with unread input would reset the connection and destroy the close frame."""
    client = run_app(application(mounted, echoing()), tls).connect("/echo")
    client.stream.write(encode_frame(3, b"") + bytes(200_000))
    assert client.read_close()[0] == 1002
    client.expect_end()

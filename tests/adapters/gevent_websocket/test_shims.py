"""What gevent-websocket 0.10.1 does by itself, and why its frames are not used.

Each of these fails when gevent-websocket has mended it; then its own WebSocket can be trusted so
far.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import gevent
import pytest
from gevent.exceptions import ConcurrentObjectUseError
from geventwebsocket.handler import WebSocketHandler
from geventwebsocket.logging import create_logger
from tests.adapters.pywsgi_host import RunningServer

from turnout import WebSocketHandlerRegistry
from turnout.testing.frames import CLOSE, TEXT
from turnout_adapters.gevent import mount

Environ = dict[str, Any]


class Bare:
    """An application of gevent-websocket's, without turnout."""

    def __init__(self) -> None:
        self.failures: list[BaseException] = []

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        web_socket = environ["wsgi.websocket"]
        getattr(self, environ["PATH_INFO"].strip("/"))(web_socket, start_response)
        return []

    def refuse(self, web_socket: Any, start_response: Callable[..., Any]) -> None:
        start_response("403 Forbidden", [])

    def close(self, web_socket: Any, start_response: Callable[..., Any]) -> None:
        web_socket.close(4001, b"bye")

    def echo(self, web_socket: Any, start_response: Callable[..., Any]) -> None:
        while (message := web_socket.receive()) is not None:
            web_socket.send(message)

    def kind(self, web_socket: Any, start_response: Callable[..., Any]) -> None:
        web_socket.send(type(web_socket.receive()).__name__)

    def drop(self, web_socket: Any, start_response: Callable[..., Any]) -> None:
        another = type(web_socket)(web_socket.environ, web_socket.stream, web_socket.handler)
        del another
        web_socket.send("still open")

    def many(self, web_socket: Any, start_response: Callable[..., Any]) -> None:
        senders = [gevent.spawn(self.send, web_socket) for _ in range(20)]
        gevent.joinall(senders)

    def send(self, web_socket: Any) -> None:
        try:
            web_socket.send(bytes(2_000_000))
        except ConcurrentObjectUseError as error:
            self.failures.append(error)


@pytest.fixture
def bare() -> Bare:
    return Bare()


@pytest.fixture
def server(bare: Bare) -> Iterator[RunningServer]:
    server = RunningServer(
        lambda: (mount(None, WebSocketHandlerRegistry()), bare), handler_class=WebSocketHandler
    )
    yield server
    server.close()


def test_it_answers_101_before_the_application_can_refuse(server: RunningServer) -> None:
    assert server.connect().handshake("/refuse").status == 101


def test_it_asks_for_no_origin_and_speaks_drafts(server: RunningServer) -> None:
    foreign = server.connect().handshake("/echo", origin="https://foreign.example")
    assert foreign.status == 101
    assert server.connect().handshake("/echo", version="8").status == 101


def test_it_loses_the_close_code(server: RunningServer) -> None:
    frame = server.connect("/close").read_frame()
    assert (frame.opcode, frame.payload) == (CLOSE, b"b'bye'")


def test_it_answers_a_violation_without_a_code(server: RunningServer) -> None:
    client = server.connect("/echo")
    client.send_text(b"\xff")
    assert client.read_close() == (None, "")


def test_it_takes_unmasked_frames(server: RunningServer) -> None:
    client = server.connect("/echo")
    client.send_frame(TEXT, b"bare", masked=False)
    assert client.read_text() == "bare"


def test_it_has_no_limit(server: RunningServer) -> None:
    client = server.connect("/echo")
    client.send_binary(bytes(1_100_000))
    assert len(client.read_binary()) == 1_100_000


def test_it_gives_bytes_as_a_bytearray(server: RunningServer) -> None:
    client = server.connect("/kind")
    client.send_binary(b"x")
    assert client.read_text() == "bytearray"


def test_two_greenlets_cannot_send(server: RunningServer, bare: Bare) -> None:
    server.connect("/many")
    server.wait_until(lambda: bool(bare.failures))


def test_it_sends_a_close_frame_when_it_is_collected(server: RunningServer) -> None:
    client = server.connect("/drop")
    assert [client.read_frame().opcode for _ in range(2)] == [CLOSE, TEXT]


def test_its_logger_is_remade_and_loses_its_handlers() -> None:
    logger = logging.getLogger("tests.gevent_websocket")
    logger.addHandler(logging.NullHandler())
    create_logger(logger.name, True)
    try:
        assert type(logger) is not logging.Logger
        assert not any(isinstance(one, logging.NullHandler) for one in logger.handlers)
    finally:
        logger.__class__ = logging.Logger
        logger.handlers.clear()

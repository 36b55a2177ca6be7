"""What goes out at once, however long the loop's turns are and however little the client reads."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from turnout.testing.client import RawClient
from turnout.testing.frames import BINARY, CLOSE, PING, PONG, TEXT, close_payload, encode_frame
from turnout.testing.server import Server, ServerCommand

DEADLINE = 20.0
COUNT, SIZE = 100, 200_000  # more than both sockets and the session hold
SOURCE = f"""
import socket

from turnout import TextWebSocketHandler, WebSocketHandlerRegistry

registry = WebSocketHandlerRegistry()


class Blocking(TextWebSocketHandler):
    async def handle_text_message(self, session, message):
        await session.send("on its way")
        with socket.create_connection(("127.0.0.1", int(message.payload))) as test:
            test.recv(1)  # the whole loop waits with it


class Sender(TextWebSocketHandler):
    async def handle_text_message(self, session, message):
        for _ in range({COUNT}):
            await session.send(bytes({SIZE}))


registry.add_handler(Blocking(), "/blocking")
registry.add_handler(Sender(), "/sender")
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """hypercorn with the handlers above."""
    folder: Path = tmp_path_factory.mktemp("served")
    (folder / "served.py").write_text(SOURCE)
    command = ServerCommand(
        engine="hypercorn",
        subject="served:registry",
        options=("--ping-interval", "none"),
        environment={"PYTHONPATH": str(folder)},
    )
    with Server(command) as running:
        yield running


def test_message_is_written_in_the_turn_that_sends_it(server: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, server.connect() as client:
        listener.settimeout(DEADLINE)
        client.open("/blocking")
        client.send_text(str(listener.getsockname()[1]))
        held, _ = listener.accept()
        with held:
            assert client.read_text() == "on its way"
        client.close()


@pytest.fixture
def client(server: Server) -> Iterator[RawClient]:
    """A client that much is sent to, more than it reads."""
    with server.connect(receive_buffer=4096, timeout=DEADLINE) as client:
        client.open("/sender")
        client.send_text("send")
        client.read_data_frame()
        yield client


def test_late_ping_is_answered_between_two_frames(client: RawClient) -> None:
    text = encode_frame(TEXT, b"x" * 100)
    client.stream.write(encode_frame(PING, b"late") + text[:50])
    frames = [client.read_frame() for _ in range(COUNT - 1)]
    client.stream.write(text[50:])
    frames.append(client.read_frame())
    pongs = [frame.payload for frame in frames if frame.opcode == PONG]
    assert pongs == [b"late"]


def test_close_is_answered_behind_what_waits(client: RawClient) -> None:
    client.send_close(4000)
    while (frame := client.read_frame()).opcode == BINARY:
        assert len(frame.payload) == SIZE
    assert (frame.opcode, frame.payload) == (CLOSE, close_payload(4000))
    client.expect_end()

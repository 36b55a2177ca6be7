"""What asyncio lets out when a peer has gone and the loop has not read of it yet.

Client and server share the thread, so that what the client does comes between two turns of the
server's loop.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Any

import pytest
from tests.compat.test_close_races import run

from turnout import ServerSettings, TextWebSocketHandler, WebSocketHandlerRegistry
from turnout.testing.frames import TEXT, encode_frame
from turnout_adapters.wsproto import start
from turnout_compat.asyncio_transport import end_output

UPGRADE = (
    b"GET /held HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
VIOLATION = encode_frame(TEXT, b"unmasked", masked=False)
RESET = b"\1\0\0\0\0\0\0\0"


def reset(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    client.close()


def leave(client: socket.socket) -> None:
    """Close with nothing unread: the next thing written to it is answered by an RST."""
    client.close()


WAYS: list[Callable[[socket.socket], None]] = [reset, leave]


class Lost(asyncio.Protocol):
    """Knows when its transport is gone."""

    def __init__(self) -> None:
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(None)


class Held(TextWebSocketHandler):
    """Is busy with its message until the gate opens."""

    def __init__(self) -> None:
        self.busy = asyncio.Event()
        self.gate = asyncio.Event()
        self.failed = asyncio.Event()
        self.closed: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def handle_text_message(self, session: Any, message: Any) -> None:
        self.busy.set()
        await self.gate.wait()

    async def after_connection_closed(self, session: Any, status: Any) -> None:
        self.closed.set_result(status.code)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_peer_that_goes_before_its_violation_is_answered(
    caplog: pytest.LogCaptureFixture, way: Callable[[socket.socket], None]
) -> None:
    """The answer waits for the handler; the RST is there before the loop knows of the end."""
    caplog.set_level(logging.WARNING)

    async def main() -> None:
        handler, registry = Held(), WebSocketHandlerRegistry()
        registry.add_handler(handler, "/held")
        server = await start(registry, ServerSettings(port=0))
        loop = asyncio.get_running_loop()
        with socket.socket() as client:
            client.setblocking(False)
            await loop.sock_connect(client, server.address)
            await loop.sock_sendall(client, UPGRADE)
            await loop.sock_recv(client, 4096)
            # In one write, so that both are read in the turn in which the handler begins.
            await loop.sock_sendall(client, encode_frame(TEXT, b"hello") + VIOLATION)
            await handler.busy.wait()
            way(client)
            handler.gate.set()  # in the same turn: it goes on before the socket is looked at again
            assert await handler.closed == 1002
        await server.stop()

    run(main)
    assert caplog.records == []


def test_request_that_cannot_be_answered_by_the_end_of_output(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A body that is not awaited is heard out after the answer, unless the client has gone."""
    caplog.set_level(logging.WARNING)

    async def main() -> None:
        begun, gate = asyncio.Event(), asyncio.Event()

        async def answer(request: Any, response: Any) -> None:
            begun.set()
            await gate.wait()
            await response.send(200, (), b"")

        registry = WebSocketHandlerRegistry()
        registry.add_http_handler(answer, "/")
        server = await start(registry, ServerSettings(port=0))
        loop = asyncio.get_running_loop()
        with socket.socket() as client:
            client.setblocking(False)
            await loop.sock_connect(client, server.address)
            await loop.sock_sendall(
                client, b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nx"
            )
            await begun.wait()
            leave(client)
            gate.set()
        await server.stop()

    run(main)
    assert caplog.records == []


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_output_ends_with_the_connection_when_the_peer_has_gone(
    way: Callable[[socket.socket], None],
) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            client = socket.create_connection(listener.getsockname())
            accepted, _ = listener.accept()
        transport, protocol = await loop.connect_accepted_socket(Lost, accepted)
        way(client)
        transport.write(b"answered by an RST")
        end_output(transport)
        await protocol.lost

    run(main)

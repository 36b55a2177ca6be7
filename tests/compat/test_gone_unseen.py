"""What asyncio lets out when a peer has gone and the loop has not read of it yet.

Client and server share the thread, so that what the client does comes between two turns of the
server's loop.
"""

from __future__ import annotations

import asyncio
import contextlib
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
FITS_IN_ONE_WRITE = 6000
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


class Patient(Lost):
    """Would still write when the peer has ended its direction."""

    def eof_received(self) -> bool:
        return True


async def connected(made: type[Lost]) -> tuple[socket.socket, asyncio.Transport, Lost]:
    """Return a client and the server's end, between which little fits."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(listener.getsockname())
        accepted, _ = listener.accept()
    client.setblocking(False)
    accepted.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    loop = asyncio.get_running_loop()
    return client, *await loop.connect_accepted_socket(made, accepted)


def read_all(client: socket.socket) -> None:
    """Read what has come."""
    with contextlib.suppress(BlockingIOError):
        while client.recv(4096):
            continue


def test_output_ends_behind_what_is_still_to_be_written() -> None:
    async def main() -> None:
        client, transport, protocol = await connected(Lost)
        transport.write(bytes(40_000))
        end_output(transport)
        assert transport.get_write_buffer_size()
        read = 0
        while data := await asyncio.get_running_loop().sock_recv(client, 4096):
            read += len(data)
        assert read == 40_000
        assert not transport.is_closing()
        leave(client)
        await protocol.lost

    run(main)


def test_peer_that_goes_before_the_last_of_it_is_written(caplog: pytest.LogCaptureFixture) -> None:
    """The last bytes are what the RST answers: asyncio would log that, and keep the socket."""
    caplog.set_level(logging.WARNING)

    async def main() -> None:
        client, transport, protocol = await connected(Patient)
        transport.write(bytes(40_000))
        end_output(transport)
        while transport.get_write_buffer_size() > FITS_IN_ONE_WRITE:
            read_all(client)
            await asyncio.sleep(0)
        assert transport.get_write_buffer_size()
        read_all(client)  # so that its end is a FIN
        leave(client)
        await protocol.lost

    run(main)
    assert caplog.records == []

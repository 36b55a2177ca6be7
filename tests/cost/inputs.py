"""What is counted: fixed bytes through the driver, and through a whole connection."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.cost.counting import by_function, bytecodes
from tests.fuzz.still_loop import StillLoop, StillTransport

from turnout import TextWebSocketHandler, WebSocketHandlerRegistry
from turnout.messages import Message, TextMessage
from turnout.options import WebSocketOptions
from turnout.protocol.driver import Driver
from turnout.protocol.extensions import DeflateParameters
from turnout.service import WebSocketService
from turnout.session.broadcast import broadcast
from turnout.testing.frames import BINARY, CONTINUATION, PING, TEXT, encode_frame
from turnout_adapters.wsproto.http import HttpConnection
from turnout_adapters.wsproto.strategy import WsprotoStrategy
from turnout_compat.asyncio_runtime import AsyncioRuntime

__all__ = ["TEXT_125", "echo_of", "measure", "most_expensive", "of_one"]

TIMES = 5
"""How often each is done; the figure is of one. The first, which builds things, is not counted."""
TEXT_125 = encode_frame(TEXT, b"x" * 125)
BINARY_16K = encode_frame(BINARY, random.Random(0).randbytes(16_384))
FRAGMENTS = encode_frame(TEXT, b"x" * 60, fin=False) + encode_frame(CONTINUATION, b"x" * 65)
DRIVER_INPUTS: dict[str, tuple[bytes, ...]] = {
    "text of 125 bytes": (TEXT_125,),
    "8 texts in one read": (TEXT_125 * 8,),
    "binary of 16 KiB": (BINARY_16K,),
    "binary of 16 KiB in two reads": (BINARY_16K[:9000], BINARY_16K[9000:]),
    "text in two fragments": (FRAGMENTS,),
    "ping": (encode_frame(PING, b"1234"),),
}
DEFLATE = DeflateParameters(12, 12, server_no_context_takeover=True)
REQUEST = (
    b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
TURNS = 30
"""Turns of the loop in which everything has been done that was to do."""


def measure() -> dict[str, int]:
    """Return the bytecodes of each input, by its name."""
    return {**dict(_of_driver()), **dict(_of_connection())}


def most_expensive(shape: str, count: int) -> list[tuple[str, int]]:
    """Return the functions that take most of an echo of one short text, and how much."""
    with _stand() as stand:
        transport = stand.connect(f"/{shape}".encode())
        exchange = _exchange(stand, transport, TEXT_125)
        exchange()
        found = by_function(exchange)
        stand.cut(transport)
    return [(code.co_qualname, taken) for code, taken in found.most_common(count)]


def of_one(action: Callable[[], object]) -> int:
    action()

    def repeat() -> None:
        for _ in range(TIMES):
            action()

    return round(bytecodes(repeat) / TIMES)


# The driver by itself


def _of_driver() -> Iterator[tuple[str, int]]:
    for name, reads in DRIVER_INPUTS.items():
        yield f"driver, {name}", of_one(echo_of(Driver(WebSocketOptions()), *reads))
    sender = Driver(WebSocketOptions(), DEFLATE)
    compressed = encode_frame(TEXT, sender.encode(TextMessage("x" * 125))[2:], rsv=4)
    deflating = Driver(WebSocketOptions(), DEFLATE)
    yield "driver, text of 125 bytes, deflate both ways", of_one(echo_of(deflating, compressed))


def echo_of(driver: Driver, *reads: bytes) -> Callable[[], None]:
    def echo() -> None:
        for data in reads:
            driver.receive_data(data)
            while (event := driver.next_event()) is not None:
                assert isinstance(event, Message)
                driver.encode(event)

    return echo


# A connection of the standard engine, from its handshake on


class CallbackEcho(TextWebSocketHandler):
    """The shape whose callbacks run where the bytes arrive."""

    async def handle_text_message(self, session: Any, message: Any) -> None:
        await session.send(message)


async def stream_echo(session: Any) -> None:
    async for message in session:
        await session.send(message)


class Stand:
    """One server without sockets and clock."""

    def __init__(self, loop: StillLoop) -> None:
        self.loop = loop
        self.registry = WebSocketHandlerRegistry()
        self.registry.add_handler(CallbackEcho(), "/callback")
        self.registry.websocket("/stream")(stream_echo)
        self.service = WebSocketService(self.registry, WsprotoStrategy(), AsyncioRuntime(loop))
        self._connections: set[HttpConnection] = set()

    def connect(self, path: bytes) -> StillTransport:
        """Return a connection that has been upgraded."""
        protocol = HttpConnection(self.service, self._connections, 65_536)
        transport = StillTransport(self.loop, protocol)
        protocol.connection_made(transport)
        transport.receive(REQUEST % path)
        self.loop.turn(TURNS)
        assert transport.written.startswith(b"HTTP/1.1 101 "), bytes(transport.written)
        return transport

    def cut(self, transport: StillTransport) -> None:
        """End a connection as a lost peer does."""
        transport.abort()
        self.loop.turn(TURNS)


@contextmanager
def _stand() -> Iterator[Stand]:
    loop = StillLoop()
    try:
        yield Stand(loop)
        assert not loop.errors, loop.errors
    finally:
        loop.close()


def _of_connection() -> Iterator[tuple[str, int]]:
    with _stand() as stand:
        for shape in ("callback", "stream"):
            transport = stand.connect(f"/{shape}".encode())
            for name, data in (("text", TEXT_125), ("8 texts in one read", TEXT_125 * 8)):
                yield f"connection, {shape}, {name}", of_one(_exchange(stand, transport, data))
            stand.cut(transport)
        readers = [stand.connect(b"/stream") for _ in range(10)]
        sessions = list(stand.registry.sessions.values())
        assert len(sessions) == len(readers)
        yield "broadcast to 10", of_one(lambda: broadcast(sessions, "x" * 125))
        for transport in readers:
            stand.cut(transport)
        yield (
            "connection, from handshake to end",
            of_one(lambda: stand.cut(stand.connect(b"/stream"))),
        )


def _exchange(stand: Stand, transport: StillTransport, data: bytes) -> Callable[[], None]:
    replies = data.count(TEXT_125) * (2 + 125)

    def exchange() -> None:
        transport.written.clear()
        transport.receive(data)
        stand.loop.turn(TURNS)
        assert len(transport.written) == replies, bytes(transport.written)

    return exchange

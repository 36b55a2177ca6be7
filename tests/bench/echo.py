"""Text echo per second through turnout, beside what asyncio can do without any protocol.

python tests/bench/echo.py [--engines wsproto,aiohttp] [--size 125] [--connections 64]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from turnout import TextWebSocketHandler, WebSocketHandlerRegistry, WebSocketOptions

HANDSHAKE = (
    b"GET /%s HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
registry = WebSocketHandlerRegistry(options=WebSocketOptions(max_connections=None))


class Echo(TextWebSocketHandler):
    """Sends back what comes."""

    async def handle_text_message(self, session, message):  # type: ignore[no-untyped-def]
        """Send it back."""
        await session.send(message)


registry.add_handler(Echo(), "/callback")


@registry.websocket("/stream")
async def stream(session):  # type: ignore[no-untyped-def]
    """Send back what comes."""
    async for message in session:
        await session.send(message)


@registry.websocket("/plain")
def plain(session):  # type: ignore[no-untyped-def]
    """Send back what comes."""
    for message in session:
        session.send(message)


def frame(size: int, *, masked: bool) -> bytes:
    """Return a text frame of `x`; its mask is zero, so that masked and unmasked bytes agree."""
    bit = 0x80 if masked else 0
    if size < 126:
        head = bytes([0x81, bit | size])
    elif size < 65536:
        head = bytes([0x81, bit | 126]) + size.to_bytes(2, "big")
    else:
        head = bytes([0x81, bit | 127]) + size.to_bytes(8, "big")
    return head + (b"\x00" * 4 if masked else b"") + b"x" * size


class Raw(asyncio.Protocol):
    """Answers every full frame with a canned one, and a handshake with a canned 101."""

    size = 125

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Expect a handshake."""
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self.open = False
        self.owed = 0
        self.length = len(frame(self.size, masked=True))
        self.reply = frame(self.size, masked=False)

    def data_received(self, data: bytes) -> None:
        """Count bytes, answer frames."""
        if not self.open:
            self.open = True
            self.transport.write(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
            return
        self.owed += len(data)
        count, self.owed = divmod(self.owed, self.length)
        if count:
            self.transport.write(self.reply * count)


async def serve_raw(size: int) -> None:
    """Serve `Raw` until killed."""
    Raw.size = size
    server = await asyncio.get_running_loop().create_server(Raw, "127.0.0.1", 0)
    print(f"raw: listening on ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


class Client(asyncio.Protocol):
    """Keeps so many messages in flight and counts the answers."""

    def __init__(self, path: str, size: int, in_flight: int) -> None:
        self.request = HANDSHAKE % path.encode()
        self.message = frame(size, masked=True)
        self.length = len(frame(size, masked=False))
        self.in_flight = in_flight
        self.owed = 0
        self.count = 0
        self.head = b""
        self.ready = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for an upgrade."""
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        """Count answers, send as many again."""
        if not self.ready.done():
            self.head += data
            if b"\r\n\r\n" in self.head:
                assert b" 101 " in self.head, self.head
                self.ready.set_result(None)
            return
        self.owed += len(data)
        count, self.owed = divmod(self.owed, self.length)
        if count:
            self.count += count
            self.transport.write(self.message * count)

    def begin(self) -> None:
        """Send the first messages."""
        self.transport.write(self.message * self.in_flight)


async def load(port: int, path: str, options: argparse.Namespace) -> float:
    """Return echoes per second."""
    loop = asyncio.get_running_loop()
    clients = []
    for _ in range(options.connections):
        _, client = await loop.create_connection(
            lambda: Client(path, options.size, options.in_flight), "127.0.0.1", port
        )
        await client.ready
        clients.append(client)
    for client in clients:
        client.begin()
    await asyncio.sleep(options.seconds / 4)
    before, began = sum(client.count for client in clients), time.perf_counter()
    await asyncio.sleep(options.seconds)
    rate = (sum(client.count for client in clients) - before) / (time.perf_counter() - began)
    for client in clients:
        client.transport.abort()
    return rate


@contextlib.contextmanager
def server(command: list[str]) -> Iterator[int]:
    """Run a server in its own process, on the first core; yield its port."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    process = subprocess.Popen(
        ["taskset", "-c", "0", *command], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        yield int(line.split("://")[1].split()[0].rsplit(":", 1)[1])
    finally:
        process.kill()
        process.wait()


def commands(options: argparse.Namespace) -> dict[str, tuple[list[str], str]]:
    """Return name, command and path of everything that is measured, raw first."""
    rows = {"raw": ([sys.executable, __file__, "--raw", "--size", str(options.size)], "callback")}
    for engine in options.engines.split(","):
        name, _, variant = engine.partition(":")
        command = [sys.executable, "-m", "turnout.cli", "serve", "echo:registry", "--port", "0"]
        command += ["--engine", name, *(["--strategy", variant] if variant else [])]
        for path in options.paths.split(","):
            rows[f"{engine} {path}"] = (command, path)
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engines", default="wsproto")
    parser.add_argument("--paths", default="callback,stream,plain")
    parser.add_argument("--size", type=int, default=125)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--in-flight", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--raw", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.raw:
        asyncio.run(serve_raw(options.size))
        return
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    rates: dict[str, list[float]] = {}
    for _ in range(options.rounds):
        for name, (command, path) in commands(options).items():
            with server(command) as port:
                rates.setdefault(name, []).append(asyncio.run(load(port, path, options)))
    raw = statistics.median(rates["raw"])
    for name, values in rates.items():
        middle = statistics.median(values)
        spread = f"{min(values):9.0f} to {max(values):9.0f}"
        print(f"{name:28} {middle:9.0f} echoes/s  ({spread})  {middle / raw:5.2f} of raw")


if __name__ == "__main__":
    main()

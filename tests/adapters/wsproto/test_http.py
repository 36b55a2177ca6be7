"""HTTP/1.1 of the standard engine, byte by byte: what h11 leaves to its user."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from turnout import (
    ConnectionClosed,
    HandshakeInterceptor,
    Headers,
    InvalidCloseError,
    ServerSettings,
    UsageError,
    WebSocketHandlerRegistry,
    WebSocketOptions,
)
from turnout.testing.frames import BINARY, CLOSE, encode_frame
from turnout_adapters.wsproto import RunningServer, start

DEADLINE = 10.0
UPGRADE = (
    "GET {target} HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: {version}\r\n\r\n"
)


@dataclass
class Response:
    """One response as it stood on the wire."""

    status: int
    headers: Headers
    body: bytes


class Peer:
    """A client that says bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def say(self, data: str | bytes) -> None:
        """Send bytes."""
        self.writer.write(data.encode("latin-1") if isinstance(data, str) else data)
        await self.writer.drain()

    async def read(self, *, body: bool = True) -> Response:
        """Read one response."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.rstrip("\r\n").split("\r\n")
        headers = Headers([tuple(line.split(": ", 1)) for line in lines])  # type: ignore[misc]  # pairs
        length = int(headers.get("content-length", "0")) if body else 0
        return Response(int(first.split()[1]), headers, await self.reader.readexactly(length))

    async def ask(self, text: str) -> Response:
        """Send bytes and read one response."""
        await self.say(text)
        return await self.read()

    async def rest(self) -> bytes:
        """Read until the server ends the connection; a reset is an error."""
        return await self.reader.read()


class Site:
    """A registry with a few pages."""

    def __init__(self, **options: Any) -> None:
        self.registry = WebSocketHandlerRegistry(options=WebSocketOptions(**options))
        self.seen: list[str] = []
        self.server: RunningServer
        self.registry.add_http_handler(self.page, "/", "/page")
        self.registry.add_http_handler(self.body, "/body")
        self.registry.websocket("/echo")(echo)

    async def page(self, request: Any, response: Any) -> None:
        """Say what was asked for."""
        self.seen.append(f"{request.method} {request.uri}")
        await response.send(200, [("Content-Type", "text/plain")], request.target.encode())

    async def body(self, request: Any, response: Any) -> None:
        """Say what was sent."""
        self.seen.append(f"{request.method} {request.uri}")
        await response.send(200, (), await request.read_body(1 << 20))

    def run(self, client: Callable[[Peer], Awaitable[None]]) -> None:
        """Serve while a client talks, within the deadline; nothing may be left of it."""

        async def main() -> None:
            async with asyncio.timeout(DEADLINE):
                self.server = await start(self.registry, ServerSettings(port=0))
                assert isinstance(self.server.address, tuple)
                reader, writer = await asyncio.open_connection(*self.server.address)
                try:
                    await client(Peer(reader, writer))
                finally:
                    writer.close()
                    await self.server.stop()

        asyncio.run(main())


async def echo(session: Any) -> None:
    """Send back what comes."""
    async for message in session:
        await session.send(message)


@pytest.mark.parametrize(
    ("target", "uri"),
    [
        ("/page?a=1", "http://h/page?a=1"),
        ("http://other:81/page?a=1", "http://other:81/page?a=1"),
        ("HTTP://other/page", "http://other/page"),
        ("http://other", "http://other/"),
        ("http://other?a=/page", "http://other/?a=/page"),
        ("http://user:word@other/page", "http://other/page"),
    ],
)
def test_an_absolute_target_names_path_and_host(target: str, uri: str) -> None:
    """The host of the target counts, not the field (RFC 9112 section 3.2.2)."""
    site = Site()

    async def client(peer: Peer) -> None:
        response = await peer.ask(f"GET {target} HTTP/1.1\r\nHost: h\r\n\r\n")
        assert response.status == 200

    site.run(client)
    assert site.seen == [f"GET {uri}"]


def test_a_head_that_comes_byte_by_byte() -> None:
    async def client(peer: Peer) -> None:
        for byte in b"GET /page HTTP/1.1\r\nHost: h\r\n\r\n":
            await peer.say(bytes([byte]))
        assert (await peer.read()).body == b"/page"

    Site().run(client)


def test_requests_in_a_row_are_answered_in_order() -> None:
    async def client(peer: Peer) -> None:
        await peer.say("".join(f"GET /page?{n} HTTP/1.1\r\nHost: h\r\n\r\n" for n in range(20)))
        for n in range(20):
            assert (await peer.read()).body == f"/page?{n}".encode()

    Site().run(client)


def test_a_request_behind_an_upgrade_that_is_refused() -> None:
    """The connection stays HTTP, and what follows is a request."""

    async def client(peer: Peer) -> None:
        await peer.say(UPGRADE.format(target="/echo", version=12))
        await peer.say("GET /page HTTP/1.1\r\nHost: h\r\n\r\n")
        assert (await peer.read()).status == 426
        assert (await peer.read()).body == b"/page"

    Site().run(client)


def test_a_request_behind_an_upgrade_is_no_request() -> None:
    """What follows the handshake are frames, which this is not."""
    site = Site()

    async def client(peer: Peer) -> None:
        await peer.say(UPGRADE.format(target="/echo", version=13))
        await peer.say("GET /page HTTP/1.1\r\nHost: h\r\n\r\n")
        assert (await peer.read()).status == 101
        assert b"HTTP/1.1" not in await peer.rest()

    site.run(client)
    assert site.seen == []


class UntilHeldBack(HandshakeInterceptor):
    """Lets a handshake pass when more has come behind it than is read ahead."""

    async def before_handshake(self, request: Any, *arguments: Any) -> None:
        """Wait until the transport is paused."""
        while request._transport.is_reading():  # noqa: ASYNC110  # no event tells
            await asyncio.sleep(0.001)


def test_a_large_message_together_with_the_handshake() -> None:
    """More than is read ahead of an HTTP request: reading goes on as a WebSocket."""
    site = Site()
    site.registry.websocket("/late", interceptors=[UntilHeldBack()])(echo)
    message = b"x" * 500_000

    async def client(peer: Peer) -> None:
        handshake = UPGRADE.format(target="/late", version=13).encode()
        peer.writer.write(handshake + encode_frame(BINARY, message))
        assert (await peer.read()).status == 101
        assert await peer.reader.readexactly(len(message) + 10) == encode_frame(
            BINARY, message, masked=False
        )
        await peer.say(encode_frame(CLOSE, b"\x03\xe8"))
        assert await peer.rest() == b"\x88\x02\x03\xe8"

    site.run(client)


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_that_has_no_body(status: int) -> None:
    """What the handler gives as one does not come into the next response."""
    site = Site()

    async def empty(request: Any, response: Any) -> None:
        await response.send(status, (), b"GET")

    async def streamed(request: Any, response: Any) -> None:
        await response.start(status)
        await response.write(b"GET")
        await response.finish()

    site.registry.add_http_handler(empty, "/empty")
    site.registry.add_http_handler(streamed, "/streamed")

    async def client(peer: Peer) -> None:
        for path in ("/empty", "/streamed"):
            response = await peer.ask(f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n")
            assert response.status == status
            assert "content-length" not in response.headers
            assert "transfer-encoding" not in response.headers
        assert (await peer.ask("GET /page HTTP/1.1\r\nHost: h\r\n\r\n")).body == b"/page"

    site.run(client)


def test_head_has_the_length_and_no_body() -> None:
    async def client(peer: Peer) -> None:
        await peer.say("HEAD /page HTTP/1.1\r\nHost: h\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n")
        assert (await peer.read(body=False)).headers["content-length"] == "5"
        assert (await peer.read()).body == b"/"

    Site().run(client)


def test_expect_continue_is_answered_when_the_body_is_asked_for() -> None:
    async def client(peer: Peer) -> None:
        head = "POST /body HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
        assert (await peer.ask(head)).status == 100
        assert (await peer.ask("abc")).body == b"abc"
        assert (await peer.ask("GET /page HTTP/1.1\r\nHost: h\r\n\r\n")).status == 200

    Site().run(client)


def test_expect_continue_that_is_refused_ends_the_connection() -> None:
    """Whether the body follows nobody knows: what comes next must not be taken for a request."""
    site = Site()

    async def client(peer: Peer) -> None:
        response = await peer.ask(
            "POST /page HTTP/1.1\r\nHost: h\r\nContent-Length: 43\r\nExpect: 100-continue\r\n\r\n"
        )
        assert response.status == 200
        assert response.headers["connection"] == "close"
        await peer.say("GET /body HTTP/1.1\r\nHost: h\r\n\r\n" * 2)
        assert await peer.rest() == b""

    site.run(client)
    assert site.seen == ["POST http://h/page"]


@pytest.mark.parametrize("path", ["/page", "/unknown"])
def test_a_body_that_nobody_reads_does_not_cost_the_answer(path: str) -> None:
    """A socket closed with unread input resets the connection, and the answer may be lost."""
    size = 4 << 20

    async def client(peer: Peer) -> None:
        await peer.say(f"POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: {size}\r\n\r\n")
        await peer.say(b"x" * size)
        assert (await peer.read()).status == (404 if path == "/unknown" else 200)
        peer.writer.write_eof()
        assert await peer.rest() == b""

    Site().run(client)


def test_a_head_that_is_too_large_is_answered_though_the_client_goes_on() -> None:
    async def client(peer: Peer) -> None:
        await peer.say("GET /page HTTP/1.1\r\nHost: h\r\nX: " + "x" * (4 << 20))
        assert (await peer.read()).status == 431
        peer.writer.write_eof()
        assert await peer.rest() == b""

    Site().run(client)


@pytest.mark.parametrize(
    "framing",
    [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Content-Length: +5\r\n",
    ],
)
def test_a_body_with_two_meanings_is_refused(framing: str) -> None:
    """A proxy in front may have understood the other: nothing that follows is a request."""
    site = Site()

    async def client(peer: Peer) -> None:
        await peer.say(f"POST /body HTTP/1.1\r\nHost: h\r\n{framing}\r\n0\r\n\r\n")
        await peer.say("GET /page HTTP/1.1\r\nHost: h\r\n\r\n")
        assert (await peer.read()).status in (400, 501)
        assert b"HTTP/1.1" not in await peer.rest()

    site.run(client)
    assert site.seen == []


def test_a_chunk_that_is_malformed_ends_the_connection() -> None:
    """The handler that reads it is told."""
    errors: list[Exception] = []
    site = Site()

    async def reads(request: Any, response: Any) -> None:
        try:
            await request.read_body(1000)
        except ConnectionClosed as error:
            errors.append(error)
            raise

    site.registry.add_http_handler(reads, "/reads")

    async def client(peer: Peer) -> None:
        await peer.say("POST /reads HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
        await peer.say("5\r\nabcdeGET /page HTTP/1.1\r\n")
        assert await peer.rest() == b""

    site.run(client)
    assert len(errors) == 1
    assert site.seen == []


@pytest.mark.parametrize(
    "behind",
    [
        "GET /page HTTP/1.0\r\n\r\n\r\n and more",
        "POST /page HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n",
        (
            "POST /page HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n"
            "Expect: 100-continue\r\n\r\nno size\r\n"
        ),
    ],
)
def test_a_request_is_answered_whatever_stands_behind_it(
    behind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """All of it is there before the handler has run."""

    async def client(peer: Peer) -> None:
        response = await peer.ask(behind)
        assert response.status == 200
        assert response.headers["connection"] == "close"
        peer.writer.write_eof()
        assert await peer.rest() == b""

    Site().run(client)
    assert caplog.records == []


def test_a_client_that_goes_in_the_middle_of_its_body() -> None:
    ended = asyncio.Event()
    site = Site()

    async def reads(request: Any, response: Any) -> None:
        try:
            await request.read_body(1000)
        finally:
            ended.set()

    site.registry.add_http_handler(reads, "/reads")

    async def client(peer: Peer) -> None:
        await peer.say("POST /reads HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nabc")
        peer.writer.close()
        await ended.wait()

    site.run(client)


def test_a_second_answer_is_the_handlers_mistake() -> None:
    """It is raised before anything is written, and the first answer stays whole."""
    errors: list[Exception] = []
    site = Site()

    async def twice(request: Any, response: Any) -> None:
        await response.send(200, (), b"first")
        for again in (response.send, response.start):
            with pytest.raises(UsageError) as raised:
                await again(200)
            errors.append(raised.value)

    site.registry.add_http_handler(twice, "/twice")

    async def client(peer: Peer) -> None:
        assert (await peer.ask("GET /twice HTTP/1.1\r\nHost: h\r\n\r\n")).body == b"first"
        assert (await peer.ask("GET /page HTTP/1.1\r\nHost: h\r\n\r\n")).body == b"/page"

    site.run(client)
    assert len(errors) == 2


def test_an_answer_that_is_not_finished_is_cut_off(caplog: pytest.LogCaptureFixture) -> None:
    """The client must not take it for whole, and the log says whose fault it is."""
    site = Site()

    async def half(request: Any, response: Any) -> None:
        await response.start(200)
        await response.write(b"half")

    site.registry.add_http_handler(half, "/half")

    async def client(peer: Peer) -> None:
        await peer.say("GET /half HTTP/1.1\r\nHost: h\r\n\r\n")
        assert (await peer.read()).headers["transfer-encoding"] == "chunked"
        assert await peer.rest() == b"4\r\nhalf\r\n"  # without the last chunk

    site.run(client)
    assert "did not finish" in caplog.text


def test_an_answer_to_a_client_that_has_just_gone_is_nobodys_fault(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The end of the stream was seen, and the transport has yet to tell of its own end."""
    site = Site()

    async def late(request: Any, response: Any) -> None:
        await response.start(200)
        response._connection.transport.close()
        await response.finish()

    site.registry.add_http_handler(late, "/late")

    async def client(peer: Peer) -> None:
        await peer.say("GET /late HTTP/1.1\r\nHost: h\r\n\r\n")
        await peer.rest()

    site.run(client)
    assert caplog.text == ""


def test_a_handler_that_is_cancelled_ends_its_connection() -> None:
    """By whoever: nobody would answer the request any more."""
    site = Site()

    async def cancelled(request: Any, response: Any) -> None:
        raise asyncio.CancelledError

    site.registry.add_http_handler(cancelled, "/cancelled")

    async def client(peer: Peer) -> None:
        await peer.say("GET /cancelled HTTP/1.1\r\nHost: h\r\n\r\n")
        assert await peer.rest() == b""

    site.run(client)


def test_a_server_that_stops_says_so() -> None:
    """The answer that is under way names the end of the connection."""
    site = Site()
    begun, release = asyncio.Event(), asyncio.Event()

    async def slow(request: Any, response: Any) -> None:
        begun.set()
        await release.wait()
        await response.send(200, (), b"slow")

    site.registry.add_http_handler(slow, "/slow")

    async def client(peer: Peer) -> None:
        await peer.say("GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")
        await begun.wait()
        stopping = asyncio.get_running_loop().create_task(site.server.stop())
        await asyncio.sleep(0)
        release.set()
        response = await peer.read()
        assert response.body == b"slow"
        assert response.headers["connection"] == "close"
        assert await peer.rest() == b""
        await stopping

    site.run(client)


def test_a_server_that_cannot_stop_like_that_goes_on() -> None:
    """The code may not be sent: nothing has stopped, and the next request is answered."""
    site = Site()

    async def client(peer: Peer) -> None:
        with pytest.raises(InvalidCloseError):
            await site.server.stop(code=1006)
        assert (await peer.ask("GET /page HTTP/1.1\r\nHost: h\r\n\r\n")).status == 200

    site.run(client)

"""HTTP/1.1 of the standard engine, byte by byte: the bodies of requests."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.adapters.wsproto.site import Peer, Site

from turnout import ConnectionClosed
from turnout.testing.certificates import Certificate
from turnout.testing.server import StartServer


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


def test_a_body_that_nobody_reads_does_not_cost_the_answer_over_tls(
    start_server: StartServer, certificate: Certificate
) -> None:
    """Where close_notify is the end of one direction, and OpenSSL wants no data behind it."""
    piece, pieces = bytes(16_384), 256
    head = f"POST /unknown HTTP/1.1\r\nHost: h\r\nContent-Length: {len(piece) * pieces}\r\n\r\n"
    server = start_server("--tls-cert", str(certificate.chain), "--tls-key", str(certificate.key))
    with server.connect(tls=certificate.client_context()) as client:
        client.stream.write(head.encode())
        for _ in range(pieces - 1):
            client.stream.write(piece)
        assert client.request(piece).status == 404
    server.stop().check()


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

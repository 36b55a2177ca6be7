"""HTTP/1.1 of the standard engine, byte by byte: heads, and requests in a row."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.adapters.wsproto.site import UPGRADE, Peer, Site, echo

from turnout import HandshakeInterceptor
from turnout.testing.frames import BINARY, CLOSE, encode_frame


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


def test_a_head_that_is_too_large_is_answered_though_the_client_goes_on() -> None:
    async def client(peer: Peer) -> None:
        await peer.say("GET /page HTTP/1.1\r\nHost: h\r\nX: " + "x" * (4 << 20))
        assert (await peer.read()).status == 431
        peer.writer.write_eof()
        assert await peer.rest() == b""

    Site().run(client)


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

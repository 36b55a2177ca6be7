"""HTTP/1.1 of the standard engine, byte by byte: answers, and answers that fail."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.adapters.wsproto.site import Peer, Site

from turnout import InvalidCloseError, UsageError


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

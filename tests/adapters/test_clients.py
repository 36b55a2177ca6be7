"""Clients that others have written talk to every engine, in plain and with TLS."""

from __future__ import annotations

import asyncio
import gc
import json
import ssl
import warnings
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import ClientSession, WSMsgType, WSServerHandshakeError
from tests.threaded_client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

DEADLINE = 10
MESSAGES: list[str | bytes] = [
    "text",
    "",
    "emoji \N{WAVING HAND SIGN}",
    b"",
    b"\x00\xff",
    "x" * 1024 * 1024,
    b"y" * 1024 * 1024,
]
CLOSE = json.dumps({"do": "close", "code": 4001, "reason": "bye"})
both_colours = pytest.mark.parametrize("colour", ["async", "plain"])


@dataclass(frozen=True)
class Running:
    """A server, and how to trust it."""

    address: tuple[str, int]
    tls: ssl.SSLContext | None

    def url(self, path: str) -> str:
        return f"{'ws' if self.tls is None else 'wss'}://{self.address[0]}:{self.address[1]}{path}"


@pytest.fixture(params=["plain", pytest.param("tls", marks=pytest.mark.requires("tls"))])
def running(
    request: pytest.FixtureRequest, start_server: Callable[..., Any], certificate: Any
) -> Iterator[Running]:
    """Serve the test subject, with and without TLS."""
    secure = request.param == "tls"
    files = ["--tls-cert", str(certificate.chain), "--tls-key", str(certificate.key)]
    server = start_server(*(files if secure else []))
    yield Running(server.address, certificate.client_context() if secure else None)
    server.stop().check()


def run_client(talk: Coroutine[Any, Any, None]) -> None:
    """Run a client; aiohttp's leaves the end of its TLS transports to the garbage collector."""
    asyncio.run(asyncio.wait_for(talk, 3 * DEADLINE))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@both_colours
@pytest.mark.parametrize("compression", [None, "deflate"])
def test_websockets(running: Running, colour: str, compression: Any) -> None:
    url = running.url(f"/{colour}/echo")
    with connect(url, ssl=running.tls, compression=compression, max_size=None) as client:
        for message in MESSAGES:
            client.send(message)
            assert client.recv() == message
        client.ping()
        client.close(4321, "so long")
        assert (client.close_code, client.close_reason) == (4321, "so long")


@both_colours
def test_websockets_sees_close_and_refusal(running: Running, colour: str) -> None:
    with connect(running.url(f"/{colour}/act"), ssl=running.tls) as client:
        client.send(CLOSE)
        with pytest.raises(ConnectionClosed):
            client.recv()
        assert (client.close_code, client.close_reason) == (4001, "bye")
    with pytest.raises(InvalidStatus) as refused:
        connect(running.url(f"/{colour}/refused?how=401"), ssl=running.tls)
    assert refused.value.response.status_code == 401
    assert refused.value.response.body


@both_colours
def test_aiohttp(running: Running, colour: str) -> None:
    async def talk() -> None:
        async with ClientSession() as http:
            url = running.url(f"/{colour}/echo")
            async with http.ws_connect(url, ssl=running.tls or True, max_msg_size=0) as client:
                for message in MESSAGES:
                    send: Any = client.send_str if isinstance(message, str) else client.send_bytes
                    await send(message)
                    assert (await client.receive(DEADLINE)).data == message
                await client.close(code=4321)
                assert client.close_code == 4321

    run_client(talk())


@both_colours
def test_aiohttp_sees_close_and_refusal(running: Running, colour: str) -> None:
    async def talk() -> None:
        async with ClientSession() as http:
            url = running.url(f"/{colour}/act")
            async with http.ws_connect(url, ssl=running.tls or True) as client:
                await client.send_str(CLOSE)
                closed = await client.receive(DEADLINE)
                assert (closed.type, closed.data, closed.extra) == (WSMsgType.CLOSE, 4001, "bye")
            with pytest.raises(WSServerHandshakeError) as refused:
                await http.ws_connect(
                    running.url(f"/{colour}/refused?how=401"), ssl=running.tls or True
                )
            assert refused.value.status == 401

    run_client(talk())

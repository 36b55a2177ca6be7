"""Clients that others have written, with TLS and without."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import ClientSession, WSMsgType
from tests.threaded_client import connect
from tornado.httpclient import HTTPRequest
from tornado.web import Application
from tornado.websocket import websocket_connect
from websockets.exceptions import ConnectionClosedError
from websockets.typing import Subprotocol

from turnout import Deflate, WebSocketHandlerRegistry, WebSocketOptions, WebSocketSession

MESSAGES: list[str | bytes] = [
    "text",
    "",
    "emoji 👋",
    b"",
    b"\x00\xff",
    "x" * 1_000_000,
    b"y" * 1_000_000,
]


@pytest.fixture
def running(run_app: Any, mounted: Any, tls: Any) -> Any:
    registry = WebSocketHandlerRegistry(options=WebSocketOptions(compression=Deflate()))

    @registry.websocket("/async", sub_protocols=("chat",))
    async def echo(session: WebSocketSession) -> None:
        async for message in session:
            if message.payload == "bye":
                await session.close(4001, "bye")
            else:
                await session.send(message)

    @registry.websocket("/plain", sub_protocols=("chat",))
    def plain(session: Any) -> None:
        for message in session:
            if message.payload == "bye":
                session.close(4001, "bye")
            else:
                session.send(message)

    def build() -> Application:
        app = Application()
        mounted(app, registry)
        return app

    return run_app(build, tls)


both_colours = pytest.mark.parametrize("colour", ["async", "plain"])


@both_colours
@pytest.mark.parametrize("compression", [None, "deflate"])
def test_websockets(running: Any, colour: str, compression: str | None) -> None:
    context = None if running.tls is None else running.tls.client_context()
    with connect(
        f"{running.url}/{colour}",
        subprotocols=[Subprotocol("chat")],
        max_size=None,
        ssl=context,
        compression=compression,
    ) as client:
        assert client.subprotocol == "chat"
        for message in MESSAGES:
            client.send(message)
            assert client.recv(10) == message
        client.ping()
        client.send("bye")
        with pytest.raises(ConnectionClosedError, match="4001"):
            client.recv(10)
        assert (client.close_code, client.close_reason) == (4001, "bye")


@both_colours
@pytest.mark.parametrize("compress", [0, 12])
def test_aiohttp(running: Any, colour: str, compress: int) -> None:
    context: Any = True if running.tls is None else running.tls.client_context()
    url = f"{running.url}/{colour}"

    async def talk() -> None:
        settings: dict[str, Any] = {"max_msg_size": 0, "compress": compress, "ssl": context}
        async with (
            ClientSession() as http,
            http.ws_connect(url, protocols=["chat"], **settings) as client,
        ):
            assert client.protocol == "chat"
            socket = client.get_extra_info("socket")
            for message in MESSAGES:
                send: Callable[[Any], Any]
                send = client.send_str if isinstance(message, str) else client.send_bytes
                await send(message)
                assert (await client.receive(10)).data == message
            await client.send_str("bye")
            closed = await client.receive(10)
            assert (closed.type, closed.data, closed.extra) == (WSMsgType.CLOSE, 4001, "bye")
            await client.close()
            assert client.close_code == 4001
        async with asyncio.timeout(10):
            while socket.fileno() != -1:  # noqa: ASYNC110  # aiohttp does not wait for the end of TLS
                await asyncio.sleep(0.01)

    asyncio.run(talk())


@both_colours
@pytest.mark.parametrize("compression", [None, {}], ids=["uncompressed", "deflate"])
def test_tornado(running: Any, colour: str, compression: dict[str, Any] | None) -> None:
    context = None if running.tls is None else running.tls.client_context()

    async def talk() -> None:
        request = HTTPRequest(f"{running.url}/{colour}", ssl_options=context)
        client = await websocket_connect(
            request, subprotocols=["chat"], compression_options=compression
        )
        assert client.selected_subprotocol == "chat"
        for message in MESSAGES:
            await client.write_message(message, binary=isinstance(message, bytes))
            assert await asyncio.wait_for(_read(client), 10) == message
        await client.write_message("bye")
        assert await asyncio.wait_for(_read(client), 10) is None
        assert (client.close_code, client.close_reason) == (4001, "bye")
        client.close()  # else it complains, though it is over

    asyncio.run(talk())


async def _read(client: Any) -> Any:
    return await client.read_message()


def test_client_that_closes_first(running: Any) -> None:
    context = None if running.tls is None else running.tls.client_context()
    with connect(f"{running.url}/async", ssl=context) as client:
        client.close(4321, "enough")
    assert (client.close_code, client.close_reason) == (4321, "enough")

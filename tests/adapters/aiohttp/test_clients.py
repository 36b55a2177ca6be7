"""Clients that others have written."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import ClientSession, WSMsgType, web
from websockets.sync.client import connect

from turnout import ConnectionClosed, WebSocketHandlerRegistry, WebSocketSession


@pytest.fixture
def url(run_app: Any, mounted: Any) -> str:
    registry, app = WebSocketHandlerRegistry(), web.Application()

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

    mounted(app, registry)
    host, port = run_app(app).address
    return f"ws://{host}:{port}"


MESSAGES: list[str | bytes] = [
    "text",
    "",
    "emoji 👋",
    b"",
    b"\x00\xff",
    "x" * 1_000_000,
    b"y" * 1_000_000,
]


@pytest.mark.parametrize("colour", ["async", "plain"])
def test_websockets(url: str, colour: str) -> None:
    with connect(f"{url}/{colour}", subprotocols=["chat"], max_size=None) as client:  # type: ignore[list-item]  # websockets has a NewType for these
        assert client.subprotocol == "chat"
        for message in MESSAGES:
            client.send(message)
            assert client.recv(10) == message
        assert client.ping().wait(10)
        client.send("bye")
        with pytest.raises(Exception, match="4001"):
            client.recv(10)
        assert (client.close_code, client.close_reason) == (4001, "bye")


@pytest.mark.parametrize("colour", ["async", "plain"])
def test_aiohttp(url: str, colour: str) -> None:
    import asyncio

    async def talk() -> None:
        async with (
            ClientSession() as http,
            http.ws_connect(f"{url}/{colour}", protocols=["chat"], max_msg_size=0) as client,
        ):
            assert client.protocol == "chat"
            for message in MESSAGES:
                send = client.send_str if isinstance(message, str) else client.send_bytes
                await send(message)  # type: ignore[arg-type]  # narrowed by the choice of `send`
                assert (await client.receive(10)).data == message
            await client.send_str("bye")
            closed = await client.receive(10)
            assert (closed.type, closed.data, closed.extra) == (WSMsgType.CLOSE, 4001, "bye")
            await client.close()
            assert client.close_code == 4001

    asyncio.run(talk())


def test_client_that_closes_first(url: str) -> None:
    with connect(f"{url}/async") as client:
        client.close(4321, "enough")
    assert (client.close_code, client.close_reason) == (4321, "enough")
    assert issubclass(ConnectionClosed, Exception)

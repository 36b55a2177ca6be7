"""What aiohttp does otherwise: each test fails when aiohttp has mended it, and its shim can go.

`FrameGuard` and `DetachedWebSocket` stand in front of the first group, `Takeover` of the second,
`RegistryServer` of the third.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Any, cast

import pytest
from aiohttp import web

from turnout.testing.frames import BINARY, CLOSE, PING, TEXT, close_payload, encode_frame


class Bare:
    """aiohttp's own echo, without turnout."""

    def __init__(self, **settings: Any) -> None:
        self.settings = settings
        self.responses: list[web.WebSocketResponse] = []

    async def echo(self, request: web.Request) -> web.WebSocketResponse:
        response = web.WebSocketResponse(**self.settings)
        await response.prepare(request)
        self.responses.append(response)
        async for message in response:
            if message.type is web.WSMsgType.TEXT:
                await response.send_str(message.data)
            elif message.type is web.WSMsgType.BINARY:
                await response.send_bytes(message.data)
        return response

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/echo", self.echo)
        return app


# What its reader lets through: FrameGuard


def test_unmasked_frames_are_accepted(run_app: Any) -> None:
    client = run_app(Bare().app()).connect("/echo")
    client.send_frame(TEXT, b"unmasked", masked=False)
    assert client.read_text() == "unmasked"


@pytest.mark.parametrize("code", [1006, 5000])
def test_illegal_close_codes_are_accepted(run_app: Any, code: int) -> None:
    client = run_app(Bare().app()).connect("/echo")
    client.send_close(code)
    assert client.read_close()[0] == 1000


def test_close_code_is_not_echoed(run_app: Any) -> None:
    client = run_app(Bare().app()).connect("/echo")
    client.send_close(4321, "reason")
    assert client.read_close() == (1000, "")


def test_reserved_bits_of_control_frames_are_accepted(run_app: Any) -> None:
    client = run_app(Bare().app()).connect()
    client.open("/echo", extensions="permessage-deflate")
    client.send_frame(PING, b"bits", rsv=4)
    assert client.read_frame().payload == b"bits"


def test_invalid_text_is_found_at_its_end_only(run_app: Any) -> None:
    client = run_app(Bare().app()).connect("/echo")
    client.send_frame(TEXT, b"\xff", fin=False)
    client.send_ping(b"not yet")
    assert client.read_frame().payload == b"not yet"
    client.send_frame(0, b"")
    assert client.read_close()[0] == 1007


def test_limit_is_one_for_both_kinds_and_not_inclusive(run_app: Any) -> None:
    running = run_app(Bare(max_msg_size=100).app())
    for opcode in (TEXT, BINARY):
        client = running.connect("/echo")
        client.send_frame(opcode, b"x" * 100)
        assert client.read_close()[0] == 1009


def test_window_of_the_client_is_not_bounded(run_app: Any) -> None:
    client = run_app(Bare().app()).connect()
    offer = "permessage-deflate; client_max_window_bits=10"
    response = client.open("/echo", extensions=offer)
    assert "client_max_window_bits" not in response.headers["Sec-WebSocket-Extensions"]


# What its HTTP protocol does to a WebSocket: Takeover


def test_what_peers_send_is_dropped_while_shutting_down(run_app: Any) -> None:
    bare = Bare()
    app = bare.app()
    shutting_down, go_on = threading.Event(), threading.Event()

    async def wait(app: web.Application) -> None:
        shutting_down.set()
        await asyncio.to_thread(go_on.wait, 10)
        await asyncio.gather(*(one.close(code=1001) for one in bare.responses))

    app.on_shutdown.append(wait)
    running = run_app(app)
    client = running.connect("/echo")
    client.send_text("heard")
    assert client.read_text() == "heard"
    stopping = threading.Thread(target=running.stop)
    stopping.start()
    assert shutting_down.wait(10)
    client.send_text("dropped")
    assert not client.stream.has_data(timeout=0.5)
    go_on.set()
    assert client.read_close()[0] == 1001
    stopping.join(10)


def test_the_end_of_the_peers_direction_ends_both(run_app: Any) -> None:
    client = run_app(Bare().app()).connect("/echo")
    client.stream.write(encode_frame(CLOSE, close_payload(4000))[:1])
    client.stream.shut_down_writing()
    client.expect_end()  # before the close frame that it owes


class Watching(asyncio.Protocol):
    """A parser as `set_parser` takes it, which would like to know more."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        return False, b""

    def feed_eof(self) -> None:
        self.told.append("end of stream")

    def set_exception(self, error: BaseException) -> None:
        self.told.append("error")

    def pause_writing(self) -> None:
        self.told.append("paused")

    def connection_lost(self, error: BaseException | None) -> None:
        self.told.append("lost")


def test_a_parser_hears_of_no_pause_and_no_loss(run_app: Any) -> None:
    watching, over = Watching(), threading.Event()

    async def flood(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        request.protocol.set_parser(cast("Any", watching))
        try:
            while True:
                await response.write(bytes(65536))
        finally:
            over.set()

    app = web.Application()
    app.router.add_get("/flood", flood)
    client = run_app(app).connect()
    client.stream.write(b"GET /flood HTTP/1.1\r\nHost: x\r\n\r\n")
    client.stream.read_exactly(1_000_000)
    client.stream.vanish()
    assert over.wait(10)
    assert not {"paused", "lost", "error"} & set(watching.told)


def test_date_and_server_are_added_to_the_101(run_app: Any) -> None:
    response = run_app(Bare().app()).connect().open("/echo")
    assert {"Date", "Server"} <= set(response.headers)


# What its server does not limit: RegistryServer


def test_slow_requests_are_waited_for(run_app: Any) -> None:
    client = run_app(Bare().app()).connect()
    client.stream.write(b"GET /echo HTTP/1.1\r\nHost: x\r\n")
    assert not client.stream.has_data(timeout=0.5)

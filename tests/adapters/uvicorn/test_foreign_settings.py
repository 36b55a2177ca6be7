"""What uvicorn's own settings, its log and its shutdown make of the driver."""

from __future__ import annotations

import asyncio
import logging
import queue
from collections.abc import Callable
from typing import Any

import pytest
from tests.adapters.uvicorn.applications import FLOOD, Endpoints, starlette_application
from tests.adapters.uvicorn.running import TIMEOUT, RunningUvicorn

from turnout.testing.frames import PING, PONG

Run = Callable[..., RunningUvicorn]
DEFLATE = "permessage-deflate; client_max_window_bits"


def test_messages_wait_up_to_ws_max_queue(run: Run, endpoints: Endpoints) -> None:
    running = run(starlette_application(endpoints), ws_max_queue=4, ws_ping_interval=None)
    client = running.connect("/wait")
    assert endpoints.seen.get(timeout=TIMEOUT) == "accepted"
    for number in range(3):
        client.send_text(str(number))
    client.send_ping(b"read")
    assert client.read_frame().payload == b"read"
    for number in range(3, 10):
        client.send_text(str(number))
    client.send_ping(b"held back")
    assert not client.stream.has_data(timeout=0.3)
    running.loop.call_soon_threadsafe(endpoints.go.set)
    assert client.read_frame().payload == b"held back"
    assert [endpoints.seen.get(timeout=TIMEOUT) for _ in range(10)] == [*map(str, range(10))]


def test_ws_max_queue_without_a_limit(run: Run, endpoints: Endpoints) -> None:
    running = run(starlette_application(endpoints), ws_max_queue=0)
    client = running.connect("/wait")
    assert endpoints.seen.get(timeout=TIMEOUT) == "accepted"
    for number in range(100):
        client.send_text(str(number))
    client.send_ping(b"read")
    assert client.read_frame().payload == b"read"
    running.loop.call_soon_threadsafe(endpoints.go.set)
    assert [endpoints.seen.get(timeout=TIMEOUT) for _ in range(100)] == [*map(str, range(100))]


def test_slow_reader_holds_the_application_back(run: Run, endpoints: Endpoints) -> None:
    client = run(starlette_application(endpoints)).connect("/flood")
    for number in range(FLOOD):
        assert len(client.read_binary()) == 64 * 1024
        assert endpoints.sent - number < FLOOD // 2
    assert client.read_close() == (1000, "")


def test_pings(run: Run, endpoints: Endpoints) -> None:
    app = starlette_application(endpoints)
    client = run(app, ws_ping_interval=0.1, ws_ping_timeout=0.5).connect("/echo")
    for _ in range(3):
        frame = client.read_frame()
        assert frame.opcode == PING
        client.send_pong(frame.payload)
    assert client.read_close() == (1011, "ping timeout")
    client.send_close(1011)
    assert endpoints.seen.get(timeout=TIMEOUT) == (1011, "ping timeout")


@pytest.mark.parametrize("interval", [None, 0, 0.0])
def test_no_pings(run: Run, endpoints: Endpoints, interval: float | None) -> None:
    app = starlette_application(endpoints)
    client = run(app, ws_ping_interval=interval, ws_ping_timeout=0.1).connect("/echo")
    assert not client.stream.has_data(timeout=0.3)
    client.send_ping(b"mine")
    assert client.read_frame().opcode == PONG


def test_deflate(run: Run, endpoints: Endpoints) -> None:
    client = run(starlette_application(endpoints)).connect()
    response = client.open("/echo", extensions=DEFLATE)
    agreed = "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12"
    assert response.headers["Sec-WebSocket-Extensions"] == agreed
    client.send_text("a" * 1000)
    message = client.read_message()
    assert message.rsv1
    assert len(message.payload) < 100


def test_no_deflate(run: Run, endpoints: Endpoints) -> None:
    client = run(starlette_application(endpoints), ws_per_message_deflate=False).connect()
    response = client.open("/echo", extensions=DEFLATE)
    assert "Sec-WebSocket-Extensions" not in response.headers


def test_headers_of_the_server(run: Run, endpoints: Endpoints) -> None:
    settings = {"server_header": False, "date_header": False, "headers": [("X-Server", "mine")]}
    running = run(starlette_application(endpoints), **settings)
    accepted = running.connect().handshake("/echo").headers
    assert (accepted["X-Server"], "Server" in accepted, "Date" in accepted) == (
        "mine",
        False,
        False,
    )
    assert running.connect().handshake("/deny").headers["X-Server"] == "mine"


def test_log(run: Run, endpoints: Endpoints, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "uvicorn.error")
    running = run(starlette_application(endpoints))
    for target, fields in (
        ("/echo?a=b", {}),
        ("/refuse", {}),
        ("/deny", {}),
        ("/echo", {"version": "8"}),
    ):
        running.connect().handshake(target, **fields)
    lines = [
        one.getMessage().partition(" - ")[2] for one in caplog.records if "WebSocket" in one.msg
    ]
    assert lines == [
        '"WebSocket /echo?a=b" [accepted]',
        '"WebSocket /refuse" 403',
        '"WebSocket /deny" 401',
        '"WebSocket /echo" 426',
    ]


@pytest.mark.parametrize("level", ["info", "trace"])
def test_uvloop(run: Run, endpoints: Endpoints, level: str) -> None:
    running = run(starlette_application(endpoints), loop="uvloop", log_level=level)
    assert type(running.loop).__module__.startswith("uvloop")
    client = running.connect("/echo")
    client.send_text("hello")
    assert client.read_text() == "hello"
    client.send_close(3000, "r")
    assert client.read_close() == (3000, "r")
    client.expect_end()
    assert endpoints.seen.get(timeout=TIMEOUT) == (3000, "r")


# The end of the server


def test_shutdown_closes_with_1012(run: Run, endpoints: Endpoints) -> None:
    running = run(starlette_application(endpoints))
    client = running.connect("/echo")
    running.ask_to_stop()
    assert client.read_close() == (1012, "")
    client.send_close(1012)
    client.expect_end()
    assert endpoints.seen.get(timeout=TIMEOUT) == (1012, "")


def test_shutdown_refuses_a_handshake(run: Run) -> None:
    seen: queue.Queue[Any] = queue.Queue()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for _ in range(2):
            seen.put((await receive()).get("code"))

    running = run(app, lifespan="off")
    client = running.connect()
    client.stream.write(client.handshake_request("/").encode())
    assert seen.get(timeout=TIMEOUT) is None
    running.ask_to_stop()
    response = client.request(b"")
    assert (response.status, response.headers["Connection"]) == (503, "close")
    client.expect_end()
    assert seen.get(timeout=TIMEOUT) == 1006


def test_application_that_does_not_end_is_cancelled(run: Run) -> None:
    ended: queue.Queue[str] = queue.Queue()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.put("cancelled")
            raise

    running = run(app, lifespan="off", timeout_graceful_shutdown=1)
    client = running.connect("/")
    running.ask_to_stop()
    assert client.read_close() == (1012, "")
    assert ended.get(timeout=TIMEOUT) == "cancelled"
    client.expect_end()

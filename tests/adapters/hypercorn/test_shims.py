"""What hypercorn does otherwise: each test fails when hypercorn has mended it.

`turnout_compat.hypercorn_frames` stands in front of the frames, `protocols` of the requests,
`turnout_adapters.asgi.response` of the refusals, `turnout_compat.hypercorn_shutdown` of the end,
`hypercorn_buffers` of writers over HTTP/2.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypercorn.asyncio.worker_context import EventWrapper
from hypercorn.protocol.h2 import BUFFER_HIGH_WATER, StreamBuffer
from tests.adapters.asgi_host import BARE, Host
from tests.adapters.hypercorn.h2_client import H2Client

from turnout.testing.frames import TEXT

ENDING = """
import asyncio
import os


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            event = await receive()
            with open(os.environ["REPORT"], "a") as file:
                print(event["type"], file=file, flush=True)
            await send({"type": event["type"] + ".complete"})
    await receive()
    await send({"type": "websocket.accept"})
    await receive()
"""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """hypercorn, without turnout."""
    with Host("hypercorn", tmp_path_factory.mktemp("hosted"), BARE) as running:
        yield running


def test_violation_has_no_close_frame(host: Host) -> None:
    with host.connect("/echo") as client:
        client.send_frame(0x3)
        assert client.stream.read_to_end() == b""


def test_close_of_the_peer_is_told_as_1006(host: Host) -> None:
    with host.connect("/echo") as client:
        client.send_close(4321, "why")
        client.read_close()
    host.wait_for("disconnect 1006")


def test_frame_before_the_accept_is_answered_by_400(host: Host) -> None:
    with host.connect() as client:
        request = client.handshake_request("/late").encode()
        client.stream.write(request)
        host.wait_for("connected /late")
        client.send_frame(TEXT, b"early")
        assert client.stream.read_exactly(12) == b"HTTP/1.1 400"


def test_writer_goes_on_while_nothing_is_sent() -> None:
    """Over HTTP/2, where the client's window is closed."""

    async def push_twice() -> None:
        buffer = StreamBuffer(EventWrapper)
        for _ in range(2):
            pushing = asyncio.ensure_future(buffer.push(bytes(BUFFER_HIGH_WATER)))
            await asyncio.sleep(0)
            assert await buffer.pop(0) == b""
            await asyncio.wait_for(pushing, 5)

    asyncio.run(push_twice())


def test_deflate_is_always_on(host: Host) -> None:
    with host.connect() as client:
        answer = client.open("/echo", extensions="permessage-deflate")
        assert "Sec-WebSocket-Extensions" in answer.headers


def test_broken_handshake_gets_an_empty_400(host: Host) -> None:
    with host.connect() as client:
        answer = client.handshake("/echo", version="12")
        assert (answer.status, answer.body) == (400, b"")
    with host.connect() as client:
        assert client.handshake("/echo", upgrade="h2c").status == 101


def test_connection_ends_behind_a_refusal_and_it_is_not_said(host: Host) -> None:
    with host.connect() as client:
        answer = client.handshake("/deny")
        assert (answer.status, answer.is_last) == (401, False)
        client.expect_end()


def test_every_connect_of_http_2_is_a_websocket(host: Host) -> None:
    """The application accepts it, and is not told which protocol was asked for."""
    client = H2Client(host.address)
    with client.socket:
        _, headers = client.connect("/echo", **{":protocol": "connect-udp"})
    assert headers[":status"] == "200"


def test_application_is_told_of_the_end_behind_its_connections(tmp_path: Path) -> None:
    with Host("hypercorn", tmp_path, ENDING, "--graceful-timeout", "1000") as host:
        with host.connect("/any"):
            host.process.terminate()
            with pytest.raises(subprocess.TimeoutExpired):
                host.process.wait(1)
            assert "lifespan.shutdown" not in host.report
        host.wait_for("lifespan.shutdown")

"""What granian does otherwise: each test fails when granian has mended it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.adapters.asgi_host import BARE, Host

REFUSING = """
kept = []
FIELDS = {
    "/twice": [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")],
    "/close": [(b"connection", b"close")],
    "/switch": [(b"x-mark", b"blue")],
}


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return
    await receive()
    path = scope["path"]
    if path == "/close":
        kept.append((receive, send))
    seen = b"yes" if "mark" in scope["extensions"] else b"no"
    scope["extensions"]["mark"] = {}
    fields = [*FIELDS.get(path, []), (b"content-length", b"0"), (b"x-seen", seen)]
    status = 101 if path == "/switch" else 401
    await send({"type": "websocket.http.response.start", "status": status, "headers": fields})
    await send({"type": "websocket.http.response.body", "body": b""})
"""

DEAF = """
import asyncio
import os
import socket

from granian._granian import SocketHolder
from granian.constants import Interfaces
from granian.server.embed import Server


async def app(scope, receive, send):
    await asyncio.Event().wait()


class OnSocket(Server):
    def __init__(self, listener):
        super().__init__(app, interface=Interfaces.ASGINL, backpressure=1, log_enabled=False)
        self._listener = listener

    def _init_shared_socket(self):
        self._shd = SocketHolder(os.dup(self._listener.fileno()), False, 16)


async def main():
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    inode = os.fstat(listener.fileno()).st_ino
    server = OnSocket(listener)
    serving = asyncio.create_task(server.serve())
    first = socket.create_connection(listener.getsockname())
    while not any(accepted_from(first)):
        await asyncio.sleep(0.01)
    second = socket.create_connection(listener.getsockname())  # waits for the place of the first
    await asyncio.sleep(0.1)
    with socket.socket() as idle:
        for name in os.listdir("/dev/fd"):
            try:
                if os.fstat(int(name)).st_ino == inode:
                    os.dup2(idle.fileno(), int(name))
            except OSError:
                pass
    first.close()
    await asyncio.sleep(0.1)
    server.interrupt_signal = True
    server.main_loop_interrupt.set()
    done, _ = await asyncio.wait([serving], timeout=2)
    print("ended" if done else "deaf", flush=True)
    os._exit(0)


def accepted_from(client):
    for name in os.listdir("/dev/fd"):
        try:
            one = socket.socket(fileno=os.dup(int(name)))
        except OSError:
            continue
        with one:
            try:
                yield one.getpeername() == client.getsockname()
            except OSError:
                yield False


asyncio.run(main())
"""


ENDING = """
import asyncio
import os

opened = []


def report(*what):
    with open(os.environ["REPORT"], "a") as file:
        print(*what, file=file, flush=True)


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            event = await receive()
            if event["type"] == "lifespan.shutdown":
                farewell = {"type": "websocket.send", "text": "farewell"}
                sending = asyncio.ensure_future(opened[0](farewell))
                done, _ = await asyncio.wait([sending], timeout=1)
                report("farewell was sent", bool(done))
            await send({"type": event["type"] + ".complete"})
    await receive()
    opened.append(send)
    await send({"type": "websocket.accept"})
    await asyncio.Event().wait()
"""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """granian, without turnout."""
    folder = tmp_path_factory.mktemp("hosted")
    with Host("granian", folder, BARE) as running:
        yield running


def test_close_waits_for_whoever_receives(host: Host) -> None:
    """So a connection of turnout's stops receiving before it closes."""
    with host.connect("/held") as client:
        assert client.read_close().code == 4001
    assert "close was sent False" in host.report


def test_headers_of_an_accept_are_lost(host: Host) -> None:
    with host.connect() as client:
        assert "X-Mark" not in client.open("/echo").headers


def test_refusal_has_the_headers_of_a_101(host: Host) -> None:
    with host.connect() as client:
        answer = client.handshake("/deny")
        assert (answer.status, answer.body) == (401, b"no")
        assert "Sec-WebSocket-Accept" in answer.headers


def test_reason_of_the_peer_is_lost(host: Host) -> None:
    with host.connect("/echo") as client:
        client.send_close(4321, "why")
        client.read_close()
    host.wait_for("disconnect 4321 -")


def test_peer_that_vanishes_is_told_as_1005(host: Host) -> None:
    with host.connect("/echo") as client:
        client.stream.vanish()
        host.wait_for("disconnect 1005")


def test_connection_ends_at_once_behind_a_close(host: Host) -> None:
    """So turnout holds a copy of its socket, and waits for the peer."""
    with host.connect("/close") as client:
        client.read_close()
        assert client.stream.read_to_end() == b""


def test_nothing_can_be_sent_when_the_application_is_told_of_the_end(tmp_path: Path) -> None:
    """So the sessions are closed at the signal, before granian hears of it."""
    with Host("granian", tmp_path, ENDING, "--runtime-mode", "st") as host:
        with host.connect("/any"):
            host.process.terminate()
            host.wait_for("farewell was sent False")


@pytest.fixture
def refusing(tmp_path: Path) -> Iterator[Host]:
    """granian with an application that refuses all handshakes."""
    with Host("granian", tmp_path, REFUSING) as running:
        yield running


def test_field_that_is_repeated_in_a_refusal_panics(refusing: Host) -> None:
    with refusing.connect() as client, pytest.raises(ConnectionError):
        client.handshake("/twice")


def test_connection_neither_goes_on_nor_ends_while_its_events_are_referred_to(
    refusing: Host,
) -> None:
    """Behind a refusal that says `close`."""
    with refusing.connect() as client:
        client.handshake("/close")
        client.stream.write(client.handshake_request("/any").encode())
        assert not client.stream.has_data(timeout=1)


def test_connection_goes_on_behind_a_refusal(refusing: Host) -> None:
    with refusing.connect() as client:
        for _ in range(2):
            assert client.handshake("/any").status == 401


def test_scopes_share_their_extensions(refusing: Host) -> None:
    with refusing.connect() as client:
        seen = [client.handshake("/any").headers["X-Seen"] for _ in range(2)]
    assert seen == ["no", "yes"]


def test_refusal_with_101_lets_go_of_the_connection(refusing: Host) -> None:
    """What the standard strategy lives by; a client sees the end of whatever nobody holds."""
    with refusing.connect() as client:
        answer = client.handshake("/switch")
        assert (answer.status, answer.headers["X-Mark"]) == (101, "blue")
        assert client.stream.read_to_end() == b""


def test_deaf_where_accept_fails(tmp_path: Path) -> None:
    """So what takes the place of its listening socket listens too."""
    script = tmp_path / "deaf.py"
    script.write_text(DEAF)
    command = [sys.executable, str(script)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.stdout == "deaf\n", ended.stderr

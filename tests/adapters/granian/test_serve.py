"""What `turnout serve --engine granian` mends in granian, with both strategies."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from turnout import plugins
from turnout.testing.client import RawClient
from turnout.testing.engines import command_for
from turnout.testing.http import read_response
from turnout.testing.server import Server

DEADLINE = 20.0
MANY = 30


@pytest.fixture(scope="module", params=["standard", "native"])
def kind(request: pytest.FixtureRequest) -> str:
    """A strategy, whatever strategy the run is for."""
    return str(request.param)


@pytest.fixture(scope="module")
def serve(kind: str) -> Callable[..., Server]:
    """What starts a server with that strategy."""
    capabilities = plugins.load("granian", kind).capabilities
    command = command_for("granian", kind, capabilities, None)
    return lambda *options: Server(replace(command, options=options))


@pytest.fixture(scope="module")
def running(serve: Callable[..., Server]) -> Iterator[Server]:
    """A server that the tests of a strategy share."""
    with serve() as running:
        yield running
        running.stop().check()


def open_at_once(server: Server, target: str) -> list[RawClient]:
    """Return clients whose handshakes were all sent before the first was answered."""
    clients = [server.connect() for _ in range(MANY)]
    for client in clients:
        client.stream.write(client.handshake_request(target).encode())
    for client in clients:
        assert read_response(client.stream).status == 101
    return clients


def test_handshakes_at_once(running: Server) -> None:
    clients = open_at_once(running, "/async/echo")
    for number, client in enumerate(clients):
        client.send_text(str(number))
    for number, client in enumerate(clients):
        assert client.read_text() == str(number)
        client.close()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts descriptors in /proc")
def test_no_descriptor_is_kept(running: Server) -> None:
    for client in open_at_once(running, "/async/echo"):  # whatever opens with the first of them
        client.close()
    before = descriptors_at_rest(running, None)
    for end in ("close", "vanish", "refused", "server"):
        for _ in range(MANY):
            end_one(running.connect(), end)
    assert descriptors_at_rest(running, before) == before


def end_one(client: RawClient, end: str) -> None:
    with client:
        if end == "refused":
            assert client.handshake("/async/refused?how=401").status == 401
        elif end == "server":
            client.open("/async/refused?how=true")
        else:
            client.open("/async/echo")
        if end == "close":
            client.close()
        elif end == "vanish":
            client.stream.vanish()


def descriptors_at_rest(server: Server, wanted: int | None) -> int:
    """Return how many there are once they are as many as wanted, or at the deadline."""
    folder = Path(f"/proc/{server.process.pid}/fd")
    deadline = time.monotonic() + DEADLINE
    last = -1
    while (count := len(list(folder.iterdir()))) != (last if wanted is None else wanted):
        if time.monotonic() > deadline:
            break
        last = count
        time.sleep(0.2)
    return count


def test_a_server_at_every_address(serve: Callable[..., Server]) -> None:
    with serve("--host", "0.0.0.0") as server:
        with server.connect() as client:
            client.open("/async/echo")
            client.send_text("hello")
            assert client.read_text() == "hello"
            assert client.close().code == 1000
        server.stop().check()


def test_stopped_while_it_begins(serve: Callable[..., Server]) -> None:
    for _ in range(3):
        with serve() as server:
            server.stop().check()

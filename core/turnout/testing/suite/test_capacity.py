"""Many connections, and one too many."""

from __future__ import annotations

import time

from turnout.testing.client import RawClient
from turnout.testing.marks import both_colours, rule, slow
from turnout.testing.rows import Row
from turnout.testing.server import Server, StartServer

MANY = 1000


@slow
@both_colours
@rule(Row.MANY, "1,000 connections at once, a handler in receive() on each, all answer")
def test_many_connections(start_server: StartServer, colour: str) -> None:
    server = start_server()
    clients: list[RawClient] = []
    try:
        for _ in range(MANY):
            clients.append(server.connect(timeout=30))
            clients[-1].open(f"/{colour}/echo")
        for number, client in reversed(list(enumerate(clients))):
            client.send_text(str(number))
        for number, client in enumerate(clients):
            assert client.read_text() == str(number)
        for client in clients:
            client.send_close(1000)
        for client in clients:
            assert client.read_close()[0] == 1000
    finally:
        for client in clients:
            client.stream.close()
    server.stop().check()


def answers(server: Server, target: str) -> int:
    """Return the status of a handshake."""
    with server.connect() as client:
        return client.handshake(target).status


@both_colours
@rule(Row.FULL, "max_connections → 503 before any upgrade; a place that is left can be taken")
def test_server_full(start_server: StartServer, colour: str, token: str) -> None:
    server = start_server("--max-connections", "2")
    target = f"/{colour}/callbacks?token={token}"
    first, second = server.connect(), server.connect()
    first.open(target)
    second.open(target)
    for _ in range(3):
        assert answers(server, target) == 503
    assert answers(server, f"/{colour}/http/status/200") != 503
    first.close()
    deadline = time.monotonic() + 10  # the place is free soon after the handler has ended
    while answers(server, target) == 503:
        assert time.monotonic() < deadline
    second.send_text("undisturbed")
    assert second.read_text() == "undisturbed"
    second.close()

"""Peers that have come, spoken and gone before the server has looked.

The server's processes stand still meanwhile, so what they find is the same each time: bytes to be
answered, on connections that can be neither written nor shut down any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from turnout.testing.bystander import check_answered
from turnout.testing.client import RawClient
from turnout.testing.frames import BINARY, CLOSE, TEXT, close_payload, encode_frame
from turnout.testing.marks import both_colours, rule
from turnout.testing.processes import standing_still
from turnout.testing.rows import Row
from turnout.testing.server import Server, StartServer

TIMES = 3
REQUESTS = (
    b"",
    b"GET /async/echo HTTP/1.1\r\nHost: h\r\nUpgr",
    b"GET /nowhere HTTP/1.1\r\nHost: h\r\n\r\n",
    b"POST /http/body HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\nx",
    b"\x16\x03\x01\x00 no HTTP\r\n\r\n",
)
MESSAGE = encode_frame(TEXT, b"hello")
VIOLATION = encode_frame(TEXT, b"unmasked", masked=False)
WORDS = {
    "nothing": b"",
    "a message": MESSAGE,
    "half a message": encode_frame(BINARY, bytes(100))[:50],
    "a close frame": encode_frame(CLOSE, close_payload(4000)),
    "a violation": VIOLATION,
    "messages and a violation": MESSAGE * 3 + VIOLATION,
    "two violations": encode_frame(3, b"reserved") + encode_frame(TEXT, b"\xff"),
}


def reset(client: RawClient) -> None:
    client.stream.vanish()


def leave(client: RawClient) -> None:
    client.stream.close()


WAYS: list[Callable[[RawClient], None]] = [reset, leave]


@contextmanager
def unmoved(server: Server) -> Iterator[None]:
    """Let the peers do the block unseen; nobody else may notice, and nothing may be logged."""
    bystander = server.connect()
    bystander.open("/async/echo")
    check_answered(bystander)
    with standing_still(server.process.pid):
        yield
    check_answered(bystander)
    bystander.close()
    bystander.stream.close()


def check_end(server: Server) -> None:
    """Check that the server ends in order, and has raised nothing that it did not catch."""
    server.stop().check()
    assert "Traceback" not in server.log


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@rule(Row.HOSTILE, "a request whose client has gone before it is read is no error")
def test_gone_before_the_request_is_read(
    start_server: StartServer, token: str, way: Callable[[RawClient], None]
) -> None:
    server = start_server()
    with unmoved(server):
        for _ in range(TIMES):
            for request in REQUESTS:
                client = server.connect()
                client.stream.write(request)
                way(client)
            client = server.connect()
            target = f"/plain/callbacks?token={token}"
            client.stream.write(client.handshake_request(target).encode())
            way(client)
    check_end(server)
    established, closed = (len(server.events.of(token, one)) for one in ("established", "closed"))
    assert established == closed


@both_colours
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@rule(Row.VANISHED, "a peer that has gone before its last words are read: one end, and no error")
def test_gone_before_the_last_words_are_read(
    start_server: StartServer, colour: str, token: str, way: Callable[[RawClient], None]
) -> None:
    server = start_server()
    words = [word for word in WORDS.values() for _ in range(TIMES)]
    clients = [(server.connect(), word) for word in words]
    for client, _ in clients:
        client.open(f"/{colour}/callbacks?token={token}")
    server.events.wait_for(token, "established", count=len(clients))
    with unmoved(server):
        for client, word in clients:
            client.stream.write(word)
            way(client)
    server.events.wait_for(token, "closed", count=len(clients))
    check_end(server)
    assert len(server.events.of(token, "closed")) == len(clients)

"""A client that sends as fast as it can, and the others: they have their turn."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.adapters.flood_subject import SMALL

from turnout.testing.client import RawClient
from turnout.testing.deflating import OFFER, RSV1, deflate
from turnout.testing.frames import BINARY, encode_frame
from turnout.testing.marks import requires
from turnout.testing.server import StartServer

SUBJECT = "tests.adapters.flood_subject"
COLOURS = ("async", "plain")
SMALL_MESSAGES = encode_frame(BINARY, b"x" * SMALL) * 4096
FEW_BYTES_THAT_INFLATE = encode_frame(BINARY, deflate(bytes(64 * 1024)), rsv=RSV1) * 4096


@contextmanager
def flooding(client: RawClient, data: bytes) -> Iterator[None]:
    """Write the same again and again within the block."""
    enough = threading.Event()

    def flood() -> None:
        sent = 0
        while not enough.is_set():
            sent += client.stream.write_some(data[sent % len(data) :], timeout=0.2)

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        yield
    finally:
        enough.set()
        thread.join()


def exchange(client: RawClient) -> None:
    """Send messages and read their answers."""
    for number in range(20):
        client.send_text(f"{number}")
        assert client.read_text() == f"{number}"


def test_small_messages(start_server: StartServer) -> None:
    server = start_server(subject=f"{SUBJECT}:registry")
    for colour in COLOURS:
        with server.connect() as client, server.connect() as other:
            client.open(f"/{colour}")
            other.open(f"/{colour}")
            with flooding(client, SMALL_MESSAGES):
                exchange(other)
            client.stream.vanish()


@requires("deflate")
def test_few_bytes_that_inflate(start_server: StartServer) -> None:
    server = start_server(subject=f"{SUBJECT}:deflating")
    for colour in COLOURS:
        with server.connect() as client, server.connect() as other:
            client.handshake(f"/{colour}", extensions=OFFER)
            other.open(f"/{colour}")
            with flooding(client, FEW_BYTES_THAT_INFLATE):
                exchange(other)
            client.stream.vanish()

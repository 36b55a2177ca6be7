"""Few bytes that inflate to many, as fast as they are taken: the others have their turn."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from turnout.testing.client import RawClient
from turnout.testing.deflating import OFFER, RSV1, deflate
from turnout.testing.frames import BINARY, encode_frame
from turnout.testing.marks import requires
from turnout.testing.server import StartServer

SUBJECT = "tests.adapters.flood_subject:registry"
FEW_BYTES = encode_frame(BINARY, deflate(bytes(64 * 1024)), rsv=RSV1)
FLOOD = FEW_BYTES * 4096


@contextmanager
def flooding(client: RawClient) -> Iterator[None]:
    """Write without end within the block."""
    enough = threading.Event()

    def flood() -> None:
        sent = 0
        while not enough.is_set():
            sent += client.stream.write_some(FLOOD[sent % len(FLOOD) :], timeout=0.2)

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        yield
    finally:
        enough.set()
        thread.join()


@requires("deflate")
@pytest.mark.parametrize("colour", ["async", "plain"])
def test_others_are_answered(start_server: StartServer, colour: str) -> None:
    server = start_server(subject=SUBJECT)
    with server.connect() as client, server.connect() as other:
        client.handshake(f"/{colour}", extensions=OFFER)
        other.open(f"/{colour}")
        with flooding(client):
            for number in range(50):
                other.send_text(f"{number}")
                assert other.read_text() == f"{number}"
        client.stream.vanish()

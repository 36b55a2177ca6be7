"""What h11 does otherwise: each test fails when h11 has mended it, and its shim can go."""

from __future__ import annotations

import h11


def parsed(data: bytes, limit: int = 1000) -> object:
    """Return what h11 makes of bytes that came in one piece."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=limit)
    connection.receive_data(data)
    return connection.next_event()


def test_a_head_over_the_limit_is_taken_in_one_piece() -> None:
    head = b"GET / HTTP/1.1\r\nHost: x\r\nX-Big: " + b"x" * 2000 + b"\r\n\r\n"
    assert isinstance(parsed(head), h11.Request)


def test_two_lengths_of_one_body_are_taken() -> None:
    lengths = b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"
    assert isinstance(parsed(b"POST / HTTP/1.1\r\nHost: x\r\n" + lengths + b"\r\n"), h11.Request)

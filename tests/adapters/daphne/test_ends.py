"""How connections end that Twisted or autobahn would keep, or reset."""

from __future__ import annotations

import pytest

from turnout.testing.certificates import Certificate
from turnout.testing.client import Connect, RawClient
from turnout.testing.commands import command
from turnout.testing.expectations import EndOfStream
from turnout.testing.frames import BINARY, CLOSE, TEXT, close_payload, encode_frame
from turnout.testing.server import Server, StartServer

COUNT, SIZE = 200, 100_000  # more than both sockets and the session hold
CLOSE_4000 = encode_frame(CLOSE, close_payload(4000))


def expect_orderly_end(client: RawClient) -> None:
    """Read the end of the connection, which is no reset."""
    with pytest.raises(EndOfStream):
        client.stream.read_exactly(1)


def test_message_handled_in_the_segment_of_a_close(server: Server, connect: Connect) -> None:
    client = connect("/async/callbacks")
    client.stream.write(encode_frame(TEXT, b"last words") + CLOSE_4000)
    while (frame := client.read_frame()).opcode == TEXT:
        pass
    assert (frame.opcode, frame.payload) == (CLOSE, close_payload(4000))
    expect_orderly_end(client)


def test_client_that_ends_its_side_behind_its_close_frame(connect: Connect) -> None:
    client = connect("/async/act", settings={"receive_buffer": 4096, "timeout": 20.0})
    command(client, "burst", count=COUNT, size=SIZE)
    client.read_data_frame()
    client.stream.write(CLOSE_4000)
    client.stream.shut_down_writing()
    while (frame := client.read_data_frame()).opcode == BINARY:
        assert len(frame.payload) == SIZE
    assert (frame.opcode, frame.payload) == (CLOSE, close_payload(4000))
    expect_orderly_end(client)


def test_refusal_over_tls_ends_the_connection(
    start_server: StartServer, certificate: Certificate
) -> None:
    server = start_server("--tls-cert", str(certificate.chain), "--tls-key", str(certificate.key))
    with server.connect(tls=certificate.client_context()) as client:
        answer = client.handshake("/async/echo", origin="https://evil.example")
        assert answer.status == 403
        client.expect_end()
    server.stop().check()


def test_text_that_is_wrong_in_two_places(connect: Connect) -> None:
    """autobahn finds both, and the end is one: the peer may send on until it has read the code."""
    client = connect("/async/echo")
    client.send_frame(TEXT, b"\xff\xff")
    assert client.read_close().code == 1007
    for _ in range(3):
        client.stream.write(bytes(1000))
        client.stream.has_data(timeout=0.1)
    client.expect_end()

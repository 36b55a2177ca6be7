"""Ends of TLS: the peer's behind messages that wait, and ours while the peer sends."""

from __future__ import annotations

import socket
import ssl

import pytest

from turnout.testing.certificates import Certificate
from turnout.testing.commands import ask
from turnout.testing.deflating import OFFER, RSV1, deflate
from turnout.testing.frames import BINARY, encode_frame
from turnout.testing.marks import requires
from turnout.testing.server import Server, StartServer

SUBJECT = "tests.adapters.tls_end_subject:registry"
FAILURES = {
    1002: encode_frame(0x3),  # a reserved opcode
    1009: encode_frame(BINARY, declared_length=1 << 40),
}
PIECE = bytes(16_384)
MORE_THAN_THE_BUFFER = encode_frame(BINARY, deflate(bytes(100_000)), rsv=RSV1)


def write_and_end_tls(peer: ssl.SSLSocket, data: bytes) -> None:
    """Send data and the end of TLS in one segment, which a server reads at once."""
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
    peer.sendall(data)
    peer.setblocking(False)
    with pytest.raises(ssl.SSLWantReadError):  # the end is sent; the other end is not awaited
        peer.unwrap()
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)


def start_with_tls(start_server: StartServer, certificate: Certificate) -> Server:
    tls = ("--tls-cert", str(certificate.chain), "--tls-key", str(certificate.key))
    return start_server(*tls, subject=SUBJECT)


@requires("tls", "violation_codes", "early_limits")
@pytest.mark.parametrize("colour", ["async", "plain"])
@pytest.mark.parametrize("code", FAILURES)
def test_failure_reaches_a_peer_that_goes_on_sending(
    start_server: StartServer, certificate: Certificate, colour: str, code: int, token: str
) -> None:
    """A socket that is closed with unread input resets the connection: the close frame is lost."""
    server = start_with_tls(start_server, certificate)
    with server.connect(tls=certificate.client_context()) as client:
        client.open(f"/{colour}?token={token}")
        client.stream.write(FAILURES[code])
        for _ in range(256):
            client.stream.write(PIECE)
        assert client.read_close().code == code
        client.expect_end()
    server.stop().check()


@requires("tls", "deflate")
@pytest.mark.parametrize("colour", ["async", "plain"])
def test_end_behind_compressed_messages(
    start_server: StartServer, certificate: Certificate, colour: str, token: str
) -> None:
    server = start_with_tls(start_server, certificate)
    context = certificate.client_context()
    with server.connect(tls=context) as client, server.connect(tls=context) as other:
        client.handshake(f"/{colour}?token={token}", extensions=OFFER)
        other.open("/act")
        assert isinstance(client.stream.socket, ssl.SSLSocket)
        write_and_end_tls(client.stream.socket, MORE_THAN_THE_BUFFER * 4)
        server.events.wait_for(token, "message")
        ask(other, "open gate", token=token)
        assert server.events.wait_for(token, "ended")[0]["code"] == 1006
        assert not server.events.of(token, "transport error")
    server.stop().check()

"""The peer ends TLS behind compressed messages that its handler has not taken yet."""

from __future__ import annotations

import socket
import ssl

import pytest

from turnout.testing.certificates import Certificate
from turnout.testing.commands import ask
from turnout.testing.deflating import OFFER, RSV1, deflate
from turnout.testing.frames import BINARY, encode_frame
from turnout.testing.marks import requires
from turnout.testing.server import StartServer

SUBJECT = "tests.adapters.tls_end_subject:registry"
MORE_THAN_THE_BUFFER = encode_frame(BINARY, deflate(bytes(100_000)), rsv=RSV1)


def write_and_end_tls(peer: ssl.SSLSocket, data: bytes) -> None:
    """Send data and the end of TLS in one segment, which a server reads at once."""
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
    peer.sendall(data)
    peer.setblocking(False)
    with pytest.raises(ssl.SSLWantReadError):  # the end is sent; the other end is not awaited
        peer.unwrap()
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)


@requires("tls", "deflate")
@pytest.mark.parametrize("colour", ["async", "plain"])
def test_end_behind_compressed_messages(
    start_server: StartServer, certificate: Certificate, colour: str, token: str
) -> None:
    tls = ("--tls-cert", str(certificate.chain), "--tls-key", str(certificate.key))
    server = start_server(*tls, subject=SUBJECT)
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

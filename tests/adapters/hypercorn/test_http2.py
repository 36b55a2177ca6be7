"""WebSockets over HTTP/2: extended CONNECT (RFC 8441), by prior knowledge and by ALPN."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.settings
import pytest

from turnout.testing.certificates import Certificate
from turnout.testing.frames import CLOSE, PING, PONG, TEXT, close_payload, encode_frame
from turnout.testing.server import Server, StartServer

TIMEOUT = 20.0


class H2Client:
    """One connection of HTTP/2, on which streams become WebSockets."""

    def __init__(self, server: Server, tls: ssl.SSLContext | None = None) -> None:
        assert not isinstance(server.address, str)
        plain = socket.create_connection(server.address, TIMEOUT)
        self.socket: Any = plain
        if tls is not None:
            tls.set_alpn_protocols(["h2"])
            self.socket = tls.wrap_socket(plain, server_hostname="127.0.0.1")
            assert self.socket.selected_alpn_protocol() == "h2"
        self.authority = f"127.0.0.1:{server.address[1]}"
        self.scheme = "http" if tls is None else "https"
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.events: list[Any] = []
        self.data: dict[int, bytes] = {}
        self.h2.initiate_connection()
        self.flush()

    def flush(self) -> None:
        """Send what h2 has to send."""
        self.socket.sendall(self.h2.data_to_send())

    def wait_for(self, kind: type[Any], stream: int | None = None) -> Any:
        """Return the next event of a kind, on a stream."""
        while True:
            for event in self.events:
                if isinstance(event, kind) and stream in (None, getattr(event, "stream_id", None)):
                    self.events.remove(event)
                    return event
            self._read()

    def _read(self) -> None:
        received = self.socket.recv(65536)
        assert received, "the connection has ended"
        for event in self.h2.receive_data(received):
            if isinstance(event, h2.events.DataReceived):
                self.data[event.stream_id] = self.data.get(event.stream_id, b"") + event.data
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            self.events.append(event)
        self.flush()

    def connect(self, path: str, **fields: str) -> tuple[int, dict[str, str]]:
        """Ask for a WebSocket; return the stream and the headers of the answer."""
        stream: int = self.h2.get_next_available_stream_id()
        pseudo = {
            ":method": "CONNECT",
            ":protocol": "websocket",
            ":scheme": self.scheme,
            ":authority": self.authority,
            ":path": path,
        }
        headers = {**pseudo, "sec-websocket-version": "13", **fields}
        sent = [(name.replace("_", "-"), value) for name, value in headers.items() if value]
        self.h2.send_headers(stream, sent)
        self.flush()
        return stream, dict(self.wait_for(h2.events.ResponseReceived, stream).headers)

    def send(self, stream: int, data: bytes) -> None:
        """Send bytes on a stream."""
        self.h2.send_data(stream, data)
        self.flush()

    def read(self, stream: int, size: int) -> bytes:
        """Return so many bytes of a stream."""
        while len(self.data.get(stream, b"")) < size:
            self._read()
        data = self.data[stream]
        self.data[stream] = data[size:]
        return data[:size]


@pytest.fixture(params=["prior knowledge", "ALPN"])
def client(
    request: pytest.FixtureRequest, start_server: StartServer, certificate: Certificate
) -> Iterator[H2Client]:
    """A connection to a server with the suite's handlers."""
    if request.param == "ALPN":
        files = ("--tls-cert", str(certificate.chain), "--tls-key", str(certificate.key))
        client = H2Client(start_server(*files), certificate.client_context())
    else:
        client = H2Client(start_server())
    with client.socket:
        yield client


def test_server_offers_extended_connect(client: H2Client) -> None:
    changed = client.wait_for(h2.events.RemoteSettingsChanged).changed_settings
    assert changed[h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL].new_value == 1


def test_messages_pings_and_close(client: H2Client) -> None:
    stream, headers = client.connect("/async/echo")
    assert headers[":status"] == "200"
    assert "sec-websocket-accept" not in headers
    client.send(stream, encode_frame(TEXT, b"hello"))
    assert client.read(stream, 7) == encode_frame(TEXT, b"hello", masked=False)
    client.send(stream, encode_frame(PING, b"beat"))
    assert client.read(stream, 6) == encode_frame(PONG, b"beat", masked=False)
    client.send(stream, encode_frame(CLOSE, close_payload(4321, "why")))
    answer = encode_frame(CLOSE, close_payload(4321, "why"), masked=False)
    assert client.read(stream, len(answer)) == answer


def test_streams_side_by_side(client: H2Client) -> None:
    streams = [client.connect(f"/{colour}/echo")[0] for colour in ("async", "plain") * 3]
    for stream in streams:
        client.send(stream, encode_frame(TEXT, b"%d" % stream))
    for stream in reversed(streams):
        expected = encode_frame(TEXT, b"%d" % stream, masked=False)
        assert client.read(stream, len(expected)) == expected


def test_violation_ends_the_stream_alone(client: H2Client) -> None:
    (broken, _), (other, _) = client.connect("/async/echo"), client.connect("/async/echo")
    client.send(broken, encode_frame(0x3))
    assert client.read(broken, 4)[2:] == (1002).to_bytes(2)
    client.send(other, encode_frame(TEXT, b"still here"))
    assert client.read(other, 12) == encode_frame(TEXT, b"still here", masked=False)


def test_sub_protocol_and_foreign_origin(client: H2Client) -> None:
    _, headers = client.connect("/async/protocols", sec_websocket_protocol="other, chat.v1")
    assert headers["sec-websocket-protocol"] == "chat.v1"
    _, refused = client.connect("/async/echo", origin="https://evil.example")
    assert refused[":status"] == "403"


def test_version_that_is_not_spoken(client: H2Client) -> None:
    _, headers = client.connect("/async/echo", **{"sec-websocket-version": "12"})
    assert headers[":status"] == "400"  # hypercorn's own; over HTTP/1.1 turnout answers


def test_connect_for_another_protocol(client: H2Client) -> None:
    _, headers = client.connect("/async/echo", **{":protocol": "connect-udp"})
    assert headers[":status"] == "405"

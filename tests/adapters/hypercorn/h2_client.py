"""A client of HTTP/2 that opens WebSockets by extended CONNECT (RFC 8441)."""

from __future__ import annotations

import socket
import ssl
from typing import Any

import h2.config
import h2.connection
import h2.events

from turnout.http import Address

TIMEOUT = 20.0


class H2Client:
    """One connection of HTTP/2, on which streams become WebSockets."""

    def __init__(self, address: Address, tls: ssl.SSLContext | None = None) -> None:
        unix = isinstance(address, str)
        plain = socket.socket(socket.AF_UNIX if unix else socket.AF_INET)
        plain.settimeout(TIMEOUT)
        plain.connect(address)
        self.socket: Any = plain
        if tls is not None:
            tls.set_alpn_protocols(["h2"])
            self.socket = tls.wrap_socket(plain, server_hostname="127.0.0.1")
            assert self.socket.selected_alpn_protocol() == "h2"
        self.authority = "localhost" if isinstance(address, str) else f"127.0.0.1:{address[1]}"
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

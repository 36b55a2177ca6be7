"""The client half of `websockets`, written by others, as the peer: handshake to close."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.protocol.wire import RecordingTransport, attach
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.uri import parse_uri

from turnout.close import CloseStatus
from turnout.messages import BinaryMessage, DataMessage, PingMessage, PongMessage, TextMessage
from turnout.options import Deflate, WebSocketOptions
from turnout.protocol.connection import StandardConnection
from turnout.protocol.extensions import DeflateParameters, negotiate_deflate, parse_extensions

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Pair:
    """`websockets` at one end, the standard driver at the other, and a handshake between."""

    def __init__(
        self,
        offer: ClientPerMessageDeflateFactory | None = None,
        compression: Deflate | None = None,
        *,
        echo: bool = False,
    ) -> None:
        self.client = ClientProtocol(
            parse_uri("ws://example.org/"), extensions=None if offer is None else [offer]
        )
        request = self.client.connect()
        self.client.send_request(request)
        self.client.data_to_send()
        self.deflate = self._negotiate(request, compression)
        self.client.receive_data(self._response(request))
        assert self.client.handshake_exc is None
        assert self.client.state is State.OPEN
        self.client.events_received()
        self.transport = RecordingTransport()
        self.connection = StandardConnection(self.transport, WebSocketOptions(), self.deflate)
        self.session = attach(self.connection, echo=echo)
        self.connection.start()

    def _negotiate(self, request: Request, compression: Deflate | None) -> DeflateParameters | None:
        offers = request.headers.get_all("Sec-WebSocket-Extensions")
        return negotiate_deflate(parse_extensions(offers), compression)

    def _response(self, request: Request) -> bytes:
        key = request.headers["Sec-WebSocket-Key"]
        accept = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
        lines = [
            "HTTP/1.1 101 Switching Protocols",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Accept: {accept}",
        ]
        if self.deflate is not None:
            lines.append(f"Sec-WebSocket-Extensions: {self.deflate.response_header}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def exchange(self) -> list[Frame]:
        """Carry the bytes both ways; return the frames that the client gets."""
        for data in self.client.data_to_send():
            if data:
                self.connection.data_received(data)
        for data in self.transport.writes:
            self.client.receive_data(data)
        self.transport.writes.clear()
        frames = self.client.events_received()
        assert all(isinstance(frame, Frame) for frame in frames)
        return frames  # type: ignore[return-value]  # after the handshake there are frames only


def offer(**parameters: int | bool) -> ClientPerMessageDeflateFactory:
    return ClientPerMessageDeflateFactory(**{"client_max_window_bits": True, **parameters})  # type: ignore[arg-type]  # by name


PAIRS = {
    "no deflate": (None, None),
    "not offered": (None, Deflate()),
    "not agreed": (offer(), None),
    "default": (offer(), Deflate()),
    "no thresholds": (offer(), Deflate(threshold=0)),
    "large window": (offer(), Deflate(window_bits=15, threshold=0)),
    "small window": (offer(), Deflate(window_bits=9, memory_level=1, threshold=0)),
    "smaller offer": (
        offer(client_max_window_bits=9, server_max_window_bits=10),
        Deflate(threshold=0),
    ),
    "no context": (
        offer(client_no_context_takeover=True, server_no_context_takeover=True),
        Deflate(threshold=0),
    ),
}


@pytest.fixture(params=PAIRS.values(), ids=list(PAIRS))
def pair(request: pytest.FixtureRequest) -> Pair:
    offered, compression = request.param
    return Pair(offered, compression, echo=True)


PAYLOADS = ["hello", "", "é😀" * 100, "hello", "x" * 126, "x" * 65_536]


def test_messages_come_back(pair: Pair) -> None:
    for text in PAYLOADS:
        data = text.encode()
        pair.client.send_text(data)
        pair.client.send_binary(data)
        assert pair.exchange() == [Frame(Opcode.TEXT, data), Frame(Opcode.BINARY, data)]
    assert len(pair.session.events) == 2 * len(PAYLOADS)


def test_fragments_with_a_ping_between_come_back(pair: Pair) -> None:
    pair.client.send_text("é".encode()[:1], fin=False)
    pair.client.send_ping(b"between")
    pair.client.send_continuation("é".encode()[1:] + b"x" * 200, fin=True)
    pong, message = pair.exchange()
    assert pong == Frame(Opcode.PONG, b"between")
    assert message == Frame(Opcode.TEXT, "é".encode() + b"x" * 200)


def test_sent_fragments_arrive(pair: Pair) -> None:
    for index, text in enumerate(("one" * 30, "", "two")):
        pair.connection.send(TextMessage(text, is_first=not index, is_last=index == 2))
    frames = pair.exchange()
    assert [frame.fin for frame in frames] == [False, False, True]
    assert b"".join(frame.data for frame in frames) == b"one" * 30 + b"two"


def test_pings_both_ways(pair: Pair) -> None:
    pair.connection.send(PingMessage(b"ours"))
    pair.client.send_ping(b"theirs")
    assert pair.exchange() == [Frame(Opcode.PING, b"ours"), Frame(Opcode.PONG, b"theirs")]
    pair.exchange()
    assert pair.session.events == [PingMessage(b"theirs"), PongMessage(b"ours")]


def test_client_closes(pair: Pair) -> None:
    pair.client.send_close(4001, "bye")
    pair.exchange()
    assert pair.session.events == [CloseStatus(4001, "bye")]
    assert pair.client.close_rcvd is not None
    assert (pair.client.close_rcvd.code, pair.client.close_rcvd.reason) == (4001, "bye")
    assert pair.transport.calls == ["close"]


def test_this_side_closes(pair: Pair) -> None:
    pair.connection.send_close(CloseStatus(4002, "fin"))
    pair.exchange()
    pair.exchange()
    assert pair.client.close_rcvd is not None
    assert (pair.client.close_rcvd.code, pair.client.close_rcvd.reason) == (4002, "fin")
    assert pair.session.events == [CloseStatus(4002, "fin")]
    assert pair.transport.calls == ["close"]


@settings(deadline=None)
@given(
    st.sampled_from(list(PAIRS.values())),
    st.lists(
        st.builds(TextMessage, st.text(max_size=300))
        | st.builds(BinaryMessage, st.binary(max_size=300)),
        max_size=8,
    ),
)
def test_any_messages_come_back(
    settings: tuple[ClientPerMessageDeflateFactory | None, Deflate | None],
    messages: list[DataMessage],
) -> None:
    pair = Pair(*settings, echo=True)
    for message in messages:
        if isinstance(message, TextMessage):
            pair.client.send_text(message.payload.encode())
        else:
            pair.client.send_binary(message.payload)
    frames = pair.exchange()
    assert pair.session.events == messages
    assert [frame.data for frame in frames] == [
        message.payload.encode() if isinstance(message, TextMessage) else message.payload
        for message in messages
    ]

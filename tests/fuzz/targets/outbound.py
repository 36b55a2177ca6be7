"""What a server sends, read by a strict client of another make: `websockets`.

Held for every input:

- only the declared errors are raised, and then nothing has changed: the stream goes on;
- the client reads every frame, and the messages that were sent, in order and unchanged;
- a compressed stream inflates within the window that was agreed, broadcasts between included.
"""

from __future__ import annotations

from tests.fuzz.inputs import Input
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.uri import parse_uri

from turnout.close import CloseStatus
from turnout.errors import InvalidCloseError, UsageError
from turnout.messages import BinaryMessage, Message, PingMessage, PongMessage, TextMessage
from turnout.protocol.encoder import FrameEncoder
from turnout.protocol.extensions import DeflateParameters
from turnout.protocol.prepared import PreparedMessage

__all__ = ["run"]

DEFLATES = (
    None,
    DeflateParameters(12, 12, memory_level=1, threshold=8),
    DeflateParameters(9, 15, server_no_context_takeover=True, memory_level=1),
    DeflateParameters(15, 15, memory_level=9),
)
URI = parse_uri("ws://127.0.0.1/")
DATA = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)


def run(data: bytes) -> None:
    """Feed one input."""
    given = Input(data)
    deflate = given.choice(DEFLATES)
    encoder, client = FrameEncoder(deflate), client_of(deflate)
    sent: list[Message] = []
    status: CloseStatus | None = None
    while given and status is None:
        kind = given.byte()
        if kind == 0xFF:
            # RFC 6455 lets a close frame cut a message short; this client does not.
            status = close(encoder, client, given) if encoder._sending is None else None
            continue
        message = message_of(kind, given)
        if encoded(encoder, client, message, prepared=kind & 0x60 == 0x60):
            sent.append(message)
    assert client.parser_exc is None, client.parser_exc
    check_received(client, sent, status)


def client_of(deflate: DeflateParameters | None) -> ClientProtocol:
    """Return a client whose handshake is behind it."""
    client = ClientProtocol(URI, state=OPEN)
    if deflate is not None:
        client.extensions = [
            PerMessageDeflate(
                deflate.server_no_context_takeover,
                deflate.client_no_context_takeover,
                deflate.server_max_window_bits,
                deflate.client_max_window_bits,
            )
        ]
    return client


def message_of(kind: int, given: Input) -> Message:
    """Return a message, or a piece of one, built from choices."""
    size = given.number() & 0x3FF
    payload = given.take(size) * (1 + (kind >> 4 & 1) * given.byte())
    if kind & 0x0F == 2:
        return PingMessage(payload[:125])
    if kind & 0x0F == 3:
        return PongMessage(payload[:125])
    first, last = kind & 4 == 0, kind & 8 == 0
    if kind & 1:
        return BinaryMessage(payload, is_first=first, is_last=last)
    text = payload.decode("utf-8", "surrogateescape" if kind & 2 else "replace")
    return TextMessage(text, is_first=first, is_last=last)


def encoded(
    encoder: FrameEncoder, client: ClientProtocol, message: Message, *, prepared: bool
) -> bool:
    """Send a message to the client, or see it refused by a declared error."""
    before = encoder._sending
    try:
        if prepared and isinstance(message, (TextMessage, BinaryMessage)):
            data = encoder.encode_prepared(PreparedMessage(message))
        else:
            data = encoder.encode(message)
    except (UsageError, UnicodeEncodeError):
        assert encoder._sending is before, "a refused message has changed something"
        return False
    client.receive_data(data)
    return True


def close(encoder: FrameEncoder, client: ClientProtocol, given: Input) -> CloseStatus | None:
    """Send a close frame, or see it refused."""
    status = CloseStatus(given.number(), given.text(given.byte()))
    try:
        client.receive_data(encoder.encode_close(status))
    except InvalidCloseError:
        return None
    return status


def check_received(client: ClientProtocol, sent: list[Message], status: CloseStatus | None) -> None:
    """Check what the client has read against what was sent."""
    frames = [event for event in client.events_received() if isinstance(event, Frame)]
    data = [frame for frame in frames if frame.opcode is not Opcode.CLOSE]
    assert len(data) == len(sent)
    for frame, message in zip(data, sent, strict=True):
        payload = message.payload
        assert frame.data == (payload.encode() if isinstance(message, TextMessage) else payload)
        assert frame.fin is message.is_last
        assert (frame.opcode in DATA) is isinstance(message, (TextMessage, BinaryMessage))
    if status is not None:
        assert client.close_rcvd is not None
        received = (client.close_rcvd.code, client.close_rcvd.reason)
        assert received == (status.code, status.reason)

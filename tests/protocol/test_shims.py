"""What wsproto does otherwise: each test fails when wsproto has mended it, and its shim can go.

`Inflater` replaces the extension of the first group, the driver goes past what the second shows.
"""

from __future__ import annotations

import zlib

import pytest
from wsproto import events
from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.extensions import PerMessageDeflate

from turnout.testing.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    TEXT,
    close_payload,
    encode_frame,
)

RSV1 = 4
TAIL = b"\x00\x00\xff\xff"
MIB = 1024 * 1024


def accepted(offer: str = "permessage-deflate") -> PerMessageDeflate:
    """Return the extension as it is after its handshake."""
    extension = PerMessageDeflate()
    extension.accept(offer)
    return extension


def server(*extensions: PerMessageDeflate) -> Connection:
    """Return wsproto's server side of a connection."""
    return Connection(ConnectionType.SERVER, list(extensions))


def feed(connection: Connection, *frames: bytes) -> list[events.Event]:
    """Return what wsproto makes of frames."""
    for frame in frames:
        connection.receive_data(frame)
    return list(connection.events())


def deflated(data: bytes) -> bytes:
    """Compress one message (RFC 7692 section 7.2.1)."""
    compressor = zlib.compressobj(wbits=-15)
    return (compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH)).removesuffix(TAIL)


def code_of(found: list[events.Event]) -> int | None:
    """Return the code by which wsproto wants to close, if it does."""
    return next((one.code for one in found if isinstance(one, events.CloseConnection)), None)


# Its permessage-deflate: Inflater


def test_it_inflates_without_bound() -> None:
    bomb = encode_frame(BINARY, deflated(bytes(32 * MIB)), rsv=RSV1)
    (message,) = feed(server(accepted()), bomb)
    assert isinstance(message, events.BytesMessage)
    assert len(message.data) == 32 * MIB


def test_a_ping_between_compressed_fragments_is_a_failure() -> None:
    data = deflated(b"one message " * 100)
    found = feed(
        server(accepted()),
        encode_frame(TEXT, data[:10], fin=False, rsv=RSV1),
        encode_frame(PING, b"between"),
        encode_frame(CONTINUATION, data[10:]),
    )
    assert code_of(found) is not None


def test_a_final_block_breaks_the_next_message() -> None:
    compressor = zlib.compressobj(wbits=-15)
    final = compressor.compress(b"first") + compressor.flush()
    connection = server(accepted())
    feed(connection, encode_frame(TEXT, final + b"\x00", rsv=RSV1))
    found = feed(connection, encode_frame(TEXT, deflated(b"second"), rsv=RSV1))
    texts = [one.data for one in found if isinstance(one, events.TextMessage)]
    assert texts != ["second"]


def test_a_malformed_window_raises() -> None:
    with pytest.raises(ValueError, match="abc"):
        accepted("permessage-deflate; client_max_window_bits=abc")


# Its frames: the driver


def test_close_code_1014_is_refused() -> None:
    found = feed(server(), encode_frame(CLOSE, close_payload(1014)))
    assert code_of(found) == 1002


def test_it_stays_open_after_a_violation() -> None:
    connection = server()
    assert code_of(feed(connection, encode_frame(0x3))) == 1002
    assert connection.state is ConnectionState.OPEN


def test_it_knows_no_limit() -> None:
    (message,) = feed(server(), encode_frame(BINARY, bytes(20 * MIB), key=b"\0\0\0\0"))
    assert isinstance(message, events.BytesMessage)

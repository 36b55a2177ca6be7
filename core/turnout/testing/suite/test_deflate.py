"""permessage-deflate (RFC 7692)."""

from __future__ import annotations

import zlib

import pytest

from turnout.testing.client import Connect
from turnout.testing.commands import command
from turnout.testing.deflating import OFFER, RSV1, TAIL, deflate, inflate
from turnout.testing.frames import BINARY, CLOSE, TEXT, close_payload, encode_frame
from turnout.testing.marks import both_colours, requires, rule
from turnout.testing.rows import Row
from turnout.testing.server import Server

WITHIN_CLOSE_TIMEOUT = 5.0
NOTE = encode_frame(TEXT, deflate(b'{"do": "note"}'), rsv=RSV1)


def parameters(answer: str) -> dict[str, str]:
    """Return the parameters of the accepted extension."""
    name, *rest = [part.strip() for part in answer.split(";")]
    assert name == "permessage-deflate"
    return {key: value for key, _, value in (part.partition("=") for part in rest)}


@requires("deflate")
@both_colours
@rule(Row.DEFLATE, "an offer is accepted, windows bounded to 12 bits by default (RFC 7692 §7.1)")
def test_accepted_offer(connect: Connect, colour: str) -> None:
    response = connect().handshake(f"/{colour}/deflate", extensions=OFFER)
    accepted = parameters(response.headers["Sec-WebSocket-Extensions"])
    assert int(accepted["server_max_window_bits"]) <= 12
    assert int(accepted["client_max_window_bits"]) <= 12


@rule(Row.DEFLATE, "off by default: an offer is declined and the handshake goes on")
def test_off_by_default(connect: Connect) -> None:
    response = connect().handshake("/async/echo", extensions=OFFER)
    assert response.status == 101
    assert "Sec-WebSocket-Extensions" not in response.headers


@requires("deflate")
@pytest.mark.parametrize(
    "offer",
    [
        "permessage-deflate",  # the client's window cannot be bounded
        "permessage-deflate; unknown",
        "permessage-deflate; server_max_window_bits=abc; client_max_window_bits",
        "permessage-deflate; server_max_window_bits=7; client_max_window_bits",
        "permessage-deflate; server_max_window_bits=16; client_max_window_bits",
        "permessage-deflate; client_max_window_bits; client_max_window_bits",
        "x-webkit-deflate-frame",
    ],
)
@rule(Row.DEFLATE, "an offer that is malformed or cannot be bounded is declined (RFC 7692 §7.1)")
def test_declined_offer(connect: Connect, offer: str) -> None:
    client = connect()
    response = client.open("/async/deflate", extensions=offer)
    assert "Sec-WebSocket-Extensions" not in response.headers
    client.send_text("plain")
    assert client.read_message().payload == "plain"


@requires("deflate")
@rule(Row.DEFLATE, "the first acceptable offer of several is taken")
def test_second_offer(connect: Connect) -> None:
    offers = f"permessage-deflate; unknown, {OFFER}; server_max_window_bits=10"
    response = connect().handshake("/async/deflate", extensions=offers)
    accepted = parameters(response.headers["Sec-WebSocket-Extensions"])
    assert accepted["server_max_window_bits"] == "10"


@requires("deflate")
@both_colours
@rule(Row.DEFLATE, "compressed messages of both kinds come back compressed, the same")
def test_compressed_messages(connect: Connect, colour: str) -> None:
    client = connect(f"/{colour}/deflate", extensions=OFFER)
    inflater = zlib.decompressobj(wbits=-15)
    for opcode, data in ((TEXT, b"again and again " * 500), (BINARY, bytes(5000)), (TEXT, b"")):
        client.send_frame(opcode, deflate(data), rsv=RSV1)
        message = client.read_message()
        assert message.rsv1
        assert isinstance(message.payload, bytes)
        assert inflater.decompress(message.payload + TAIL) == data


@requires("deflate")
@both_colours
@rule(Row.DEFLATE, "uncompressed messages pass on a compressed connection (RFC 7692 §6)")
def test_uncompressed_message(connect: Connect, colour: str) -> None:
    client = connect(f"/{colour}/deflate", extensions=OFFER)
    client.send_text("as it is")
    message = client.read_message()
    if message.rsv1:
        assert inflate(message.payload) == b"as it is"
    else:
        assert message.payload == "as it is"


@requires("deflate")
@both_colours
@rule(Row.DEFLATE, "a compressed message in fragments, with a ping between (RFC 7692 §6.1)")
def test_compressed_fragments(connect: Connect, colour: str) -> None:
    client = connect(f"/{colour}/deflate", extensions=OFFER)
    data = b"fragmented and compressed " * 100
    compressed = deflate(data)
    client.send_frame(TEXT, compressed[:10], fin=False, rsv=RSV1)
    client.send_ping(b"between")
    assert client.read_frame().payload == b"between"
    client.send_frame(0, compressed[10:])
    assert inflate(client.read_message().payload) == data


@requires("deflate")
@both_colours
@rule(Row.DEFLATE, "compressed messages and a close frame in one segment: all handled, in order")
def test_compressed_messages_before_a_close(
    server: Server, connect: Connect, colour: str, token: str
) -> None:
    client = connect(f"/{colour}/deflate/rooms/one?token={token}", extensions=OFFER)
    client.stream.write(NOTE * 20 + encode_frame(CLOSE, close_payload(4000, "done")))
    opcodes = [client.read_data_frame().opcode]
    while opcodes[-1] != CLOSE:
        opcodes.append(client.read_data_frame().opcode)
    client.expect_end()
    assert server.events.wait_for(token, "ended")[0]["code"] == 4000
    assert len(server.events.of(token, "noted")) == 20


@requires("deflate")
@both_colours
@rule(Row.DEFLATE, "messages that cross this side's close do not stand before the peer's answer")
def test_compressed_messages_across_a_close(
    server: Server, connect: Connect, colour: str, token: str
) -> None:
    target = f"/{colour}/deflate/rooms/one?token={token}"
    client = connect(target, extensions=OFFER, settings={"timeout": WITHIN_CLOSE_TIMEOUT})
    command(client, "close beside")
    assert client.read_close() == (4001, "beside")
    client.stream.write(NOTE * 3 + encode_frame(CLOSE, close_payload(4001)))
    client.expect_end()
    assert server.events.wait_for(token, "ended")[0]["code"] == 4001
    assert not server.events.of(token, "noted")


@requires("deflate", "close_details")
@both_colours
@rule(Row.DEFLATE, "a compressed message whole before the peer's end is handled, a torn one is not")
def test_end_within_a_compressed_message(
    server: Server, connect: Connect, colour: str, token: str
) -> None:
    client = connect(f"/{colour}/deflate/rooms/one?token={token}", extensions=OFFER)
    client.stream.write(NOTE + NOTE[:-1])
    client.stream.shut_down_writing()
    assert server.events.wait_for(token, "ended")[0]["code"] == 1006
    assert len(server.events.of(token, "noted")) == 1


@requires("deflate")
@both_colours
@rule(Row.LIMITS, "a compressed message that inflates over the limit → 1009")
def test_compressed_message_over_the_limit(connect: Connect, colour: str) -> None:
    client = connect(f"/{colour}/deflate/limited", extensions=OFFER)
    client.send_frame(BINARY, deflate(bytes(1000)), rsv=RSV1)
    assert client.read_message().rsv1
    client.send_frame(BINARY, deflate(bytes(100_000)), rsv=RSV1)
    client.expect_failure(1009)


@requires("deflate")
@rule(Row.DEFLATE, "data that does not inflate → 1007")
def test_data_that_does_not_inflate(connect: Connect) -> None:
    client = connect("/async/deflate", extensions=OFFER)
    client.send_frame(BINARY, b"\xff\xff\xff\xff", rsv=RSV1)
    client.expect_failure(1007)


@requires("deflate")
@rule(Row.UTF8, "compressed text that is not UTF-8 → 1007")
def test_compressed_text_is_checked(connect: Connect) -> None:
    client = connect("/async/deflate", extensions=OFFER)
    client.send_frame(TEXT, deflate(b"caf\xff"), rsv=RSV1)
    client.expect_failure(1007)


@requires("deflate")
@pytest.mark.parametrize("opcode", [0x8, 0x9, 0xA])
@rule(Row.VIOLATION, "RSV1 on a control frame → 1002, also with permessage-deflate (RFC 7692 §6)")
def test_compressed_control_frame(connect: Connect, opcode: int) -> None:
    client = connect("/async/deflate", extensions=OFFER)
    client.send_frame(opcode, b"", rsv=RSV1)
    client.expect_failure(1002)


@requires("deflate")
@rule(Row.VIOLATION, "RSV1 on a continuation → 1002, also with permessage-deflate (RFC 7692 §6.1)")
def test_rsv1_on_a_continuation(connect: Connect) -> None:
    client = connect("/async/deflate", extensions=OFFER)
    client.send_frame(TEXT, deflate(b"begun")[:2], fin=False, rsv=RSV1)
    client.send_frame(0, b"", rsv=RSV1)
    client.expect_failure(1002)

"""Frame headers and close payloads."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.close import CloseStatus, is_sendable_code
from turnout.errors import InvalidCloseError, InvalidPayloadError, ProtocolError
from turnout.protocol.frames import (
    encode_close,
    encode_frame,
    header_size,
    parse_close,
    read_header,
)
from turnout.testing.frames import encode_frame as client_frame


@pytest.mark.parametrize(
    ("size", "header"),
    [
        (0, b"\x82\x00"),
        (125, b"\x82\x7d"),
        (126, b"\x82\x7e\x00\x7e"),
        (65_535, b"\x82\x7e\xff\xff"),
        (65_536, b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
    ],
)
def test_length_takes_as_few_bytes_as_possible(size: int, header: bytes) -> None:
    assert encode_frame(0x82, bytes(size)) == header + bytes(size)


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
@pytest.mark.parametrize("before", [b"", b"before"])
def test_header_is_read_wherever_it_stands(size: int, before: bytes) -> None:
    data = before + client_frame(0x2, bytes(size), key=b"abcd") + b"after"
    header = read_header(data, len(before))
    assert (header.first, header.opcode, header.length, header.key) == (0x82, 0x2, size, b"abcd")
    assert len(header.raw) == header_size(data[len(before) + 1])
    assert (
        data[len(before) + len(header.raw) :]
        == client_frame(0x2, bytes(size), key=b"abcd")[len(header.raw) :] + b"after"
    )


@pytest.mark.parametrize(
    "raw",
    [
        b"\x82\xfe\x00\x7d",
        b"\x82\xfe\x00\x00",
        b"\x82\xff\x00\x00\x00\x00\x00\x00\xff\xff",
        b"\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00",
        b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    ],
    ids=["125 in two", "0 in two", "65535 in eight", "top bit", "all bits"],
)
def test_illegal_length(raw: bytes) -> None:
    with pytest.raises(ProtocolError, match=r"RFC 6455 section 5\.2") as raised:
        read_header(raw + b"abcd", 0)
    assert raised.value.code == 1002


@given(code=st.integers(0, 65_535), reason=st.text(max_size=30))
def test_close_payload_is_parsed_as_it_was_encoded(code: int, reason: str) -> None:
    payload = code.to_bytes(2, "big") + reason.encode()
    if is_sendable_code(code):
        assert parse_close(payload) == CloseStatus(code, reason)
        assert encode_close(CloseStatus(code, reason)) == encode_frame(0x88, payload)
    else:
        with pytest.raises(ProtocolError) as raised:
            parse_close(payload)
        assert raised.value.code == 1002


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65_535])
def test_codes_that_no_close_frame_may_hold(code: int) -> None:
    with pytest.raises(ProtocolError, match=f"code {code}"):
        parse_close(code.to_bytes(2, "big"))
    if code != 1005:
        with pytest.raises(InvalidCloseError):
            encode_close(CloseStatus(code))


@pytest.mark.parametrize("code", [1000, 1003, 1007, 1011, 1012, 1014, 3000, 4999])
def test_codes_that_a_close_frame_may_hold(code: int) -> None:
    assert parse_close(code.to_bytes(2, "big")) == CloseStatus(code)


def test_empty_close() -> None:
    assert parse_close(b"") == CloseStatus(1005)
    assert encode_close(CloseStatus(1005)) == b"\x88\x00"


def test_close_of_one_byte() -> None:
    with pytest.raises(ProtocolError, match="half a code") as raised:
        parse_close(b"\x03")
    assert raised.value.code == 1002


@pytest.mark.parametrize("reason", [b"\xff", b"caf\xc3", b"\xed\xa0\x80"])
def test_close_reason_that_is_not_utf8(reason: bytes) -> None:
    with pytest.raises(InvalidPayloadError):
        parse_close(b"\x03\xe8" + reason)


def test_close_reason_is_not_cut() -> None:
    with pytest.raises(InvalidCloseError, match="124 bytes"):
        encode_close(CloseStatus(1000, "x" * 124))
    with pytest.raises(InvalidCloseError):
        encode_close(CloseStatus(1005, "a reason without a code"))
    assert encode_close(CloseStatus(1000, "x" * 123))[:2] == b"\x88\x7d"

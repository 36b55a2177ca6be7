"""A message for many connections: encoded once per setting, inflatable by every peer."""

from __future__ import annotations

import zlib
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.protocol.wire import TAIL, sent_frames

from turnout.errors import UsageError
from turnout.messages import BinaryMessage, DataMessage, TextMessage
from turnout.options import WebSocketOptions
from turnout.protocol.driver import Driver
from turnout.protocol.extensions import DeflateParameters
from turnout.protocol.prepared import PreparedMessage

OPTIONS = WebSocketOptions()


class Peer:
    """A driver and the inflater at its other end, which keeps its window as agreed."""

    def __init__(self, parameters: DeflateParameters | None) -> None:
        self.driver = Driver(OPTIONS, parameters)
        self.parameters = parameters
        self.inflater = self._new_inflater()

    def _new_inflater(self) -> zlib._Decompress:
        wbits = 15 if self.parameters is None else self.parameters.server_max_window_bits
        return zlib.decompressobj(wbits=-wbits)

    def read(self, data: bytes) -> bytes:
        [(first, payload)] = sent_frames(data)
        if not first & 0x40:
            return payload
        assert self.parameters is not None
        if self.parameters.server_no_context_takeover:
            self.inflater = self._new_inflater()
        return self.inflater.decompress(payload + TAIL)


SETTINGS = [
    None,
    DeflateParameters(12, 12),
    DeflateParameters(12, 9, threshold=64),
    DeflateParameters(9, 9),
    DeflateParameters(12, 12, server_no_context_takeover=True),
    DeflateParameters(12, 12, memory_level=1),
]


@pytest.mark.parametrize("message", [TextMessage("é"), BinaryMessage(bytes(70_000))])
def test_without_compression_it_is_the_plain_frame(message: DataMessage) -> None:
    driver = Driver(OPTIONS)
    assert driver.encode_prepared(PreparedMessage(message)) == driver.encode(message)


def test_encoded_once_for_each_setting() -> None:
    prepared = PreparedMessage(TextMessage("hello" * 20))
    peers = [Peer(parameters) for parameters in SETTINGS * 50]
    with patch("zlib.compressobj", wraps=zlib.compressobj) as compressobj:
        sent = [peer.driver.encode_prepared(prepared) for peer in peers]
    assert compressobj.call_count == 3  # (12, 8), (9, 8) and (12, 1)
    assert len({id(data) for data in sent}) == 4
    assert all(peer.read(data) == b"hello" * 20 for peer, data in zip(peers, sent, strict=True))


def test_threshold_is_each_connections_own() -> None:
    prepared = PreparedMessage(TextMessage("short"))
    low = Driver(OPTIONS, DeflateParameters(threshold=5))
    high = Driver(OPTIONS, DeflateParameters(threshold=6))
    assert low.encode_prepared(prepared)[0] == 0xC1
    assert high.encode_prepared(prepared)[0] == 0x81


def test_what_follows_refers_to_nothing_before() -> None:
    """The peer's window holds the broadcast, ours does not: references would point elsewhere."""
    for parameters in SETTINGS:
        peer = Peer(parameters)
        text, news = "abcdefgh" * 20, "12345678" * 20
        for _ in range(3):
            assert peer.read(peer.driver.encode(TextMessage(text))) == text.encode()
            prepared = PreparedMessage(TextMessage(news))
            assert peer.read(peer.driver.encode_prepared(prepared)) == news.encode()


words = st.text("abc", min_size=1, max_size=200)


@settings(deadline=None)
@given(
    st.lists(st.tuples(words, st.sets(st.integers(0, len(SETTINGS) - 1)), st.booleans())),
)
def test_broadcasts_between_other_messages(steps: list[tuple[str, set[int], bool]]) -> None:
    peers = [Peer(parameters) for parameters in SETTINGS]
    for text, some, broadcast in steps:
        prepared = PreparedMessage(TextMessage(text))
        for index in some:
            driver = peers[index].driver
            data = (
                driver.encode_prepared(prepared) if broadcast else driver.encode(TextMessage(text))
            )
            assert peers[index].read(data) == text.encode()


def test_pieces_cannot_be_prepared() -> None:
    with pytest.raises(UsageError, match="whole messages"):
        PreparedMessage(TextMessage("x", is_last=False))


def test_not_in_the_middle_of_a_fragmented_message() -> None:
    driver = Driver(OPTIONS)
    driver.encode(TextMessage("begun", is_last=False))
    with pytest.raises(UsageError, match="begins before"):
        driver.encode_prepared(PreparedMessage(TextMessage("news")))


def test_text_that_cannot_be_encoded() -> None:
    with pytest.raises(UnicodeEncodeError):
        PreparedMessage(TextMessage("\ud800"))

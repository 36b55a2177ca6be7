"""Every committed input passes its target; with a fault in the code under it, one does not.

The second shows that a target would notice: a campaign that finds nothing has looked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pytest
from tests.fuzz import corpus
from tests.fuzz.corpus import TARGETS, read, unpack
from tests.fuzz.retained import retained_bytes
from tests.fuzz.targets import driver, handshake

from turnout import paths
from turnout.handshake import handler as handshake_handler
from turnout.handshake.negotiated import response_headers
from turnout.messages import BinaryMessage, TextMessage
from turnout.protocol import deflate, frames, limits, reassembler, receivers
from turnout.protocol.driver import Driver
from turnout.protocol.encoder import FrameEncoder
from turnout.registry import WebSocketHandlerRegistry


@pytest.fixture(autouse=True)
def fresh_stand() -> Iterator[None]:
    """Give each test a server that no other has failed on."""
    yield
    handshake.the_stand().close()
    handshake.the_stand.cache_clear()


def replay(target: str) -> None:
    """Feed every committed input to its target."""
    run: Callable[[bytes], None] = import_module(f"tests.fuzz.targets.{target}").run
    for data in read(target):
        run(data)


@pytest.mark.parametrize("target", TARGETS)
def test_corpus_passes(target: str) -> None:
    replay(target)


def test_driver_passes_in_every_way() -> None:
    for data in read("driver"):
        driver.examine(data, driver.WAYS)


def without_last_character(receiver: Any, payload: Any) -> Any:
    if receiver._decoder is None:
        return BinaryMessage(payload[:-1])
    return TextMessage(payload.decode()[:-1])


def with_injected_field(*arguments: Any) -> list[tuple[str, str]]:
    return [*response_headers(*arguments), ("X-Injected", "a\r\nSet-Cookie: b")]


def nothing(*arguments: Any, **settings: Any) -> None:
    """Do nothing, whatever it is that should be done."""


@pytest.mark.parametrize(
    ("target", "owner", "name", "fault"),
    [
        ("driver", Driver, "_discard", nothing),
        ("driver", limits.SizeLimits, "_of_one_frame", lambda *_: limits.UNLIMITED),
        ("driver", receivers, "parse_close", lambda payload: payload.decode("ascii")),
        ("differential", reassembler.Reassembler, "_end_frame", nothing),
        ("driver", receivers.PlainFrame, "_message", without_last_character),
        ("differential", receivers.PlainFrame, "_message", without_last_character),
        ("differential", frames, "is_sendable_code", lambda code: True),
        ("differential", Driver, "_fail", lambda *_: None),
        ("handshake", handshake_handler.HandshakeHandler, "check_key", nothing),
        ("handshake", handshake_handler, "response_headers", with_injected_field),
        ("handshake", handshake_handler.HandshakeHandler, "select_sub_protocol", lambda *_: "x"),
        ("handshake", WebSocketHandlerRegistry, "forget_session", nothing),
        ("headers", paths, "_has_dots", lambda segment: False),
        ("headers", import_module("turnout.handshake.redaction"), "_hide_parameter", str),
        ("outbound", deflate.Deflater, "forget", nothing),
        ("outbound", FrameEncoder, "_check_order", nothing),
        ("outbound", frames, "encode_close", lambda status: b"\x88\x02\x03\xe8"),
    ],
)
def test_fault_is_noticed(
    target: str, owner: Any, name: str, fault: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, name, fault)
    with pytest.raises(Exception) as raised:  # noqa: PT011  # each fault raises another one
        replay(target)
    assert not isinstance(raised.value, (ImportError, NameError))


def test_corpus_is_unpacked_for_the_fuzzer(tmp_path: Any) -> None:
    unpack("driver", tmp_path / "seeds")
    unpacked = {path.read_bytes() for path in (tmp_path / "seeds").iterdir()}
    assert unpacked == set(read("driver"))


def test_every_target_has_a_corpus() -> None:
    assert sorted(path.stem for path in corpus.FOLDER.glob("*.txt")) == TARGETS


def test_retained_bytes_are_counted_once_and_deep() -> None:
    shared = b"x" * 1000
    assert retained_bytes([shared, (bytearray(500), [shared, "text"])]) == 1504

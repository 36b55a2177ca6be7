"""What daphne does otherwise: each test fails when daphne has mended it.

`turnout_compat.daphne_frames` stands in front of all but the last, `http` of that; for mounted
applications, `daphne_close` gives codes and reasons.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.adapters.asgi_host import BARE, Host
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.web.http import HTTPChannel

from turnout.testing.frames import BINARY, encode_frame


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """daphne, without turnout."""
    with Host("daphne", tmp_path_factory.mktemp("hosted"), BARE) as running:
        yield running


def test_refusal_is_403_alone(host: Host) -> None:
    with host.connect() as client:
        assert client.handshake("/refuse").status == 403


def test_headers_of_an_accept_are_lost(host: Host) -> None:
    with host.connect() as client:
        assert "X-Mark" not in client.open("/echo").headers


def test_reason_of_a_close_is_lost(host: Host) -> None:
    with host.connect("/close") as client:
        assert client.read_close() == (4001, "")


def test_code_of_a_server_is_refused(host: Host) -> None:
    with host.connect("/close/1009") as client:
        assert client.read_close() == (1011, "")


def test_reason_of_the_peer_is_lost(host: Host) -> None:
    with host.connect("/echo") as client:
        client.send_close(4321, "why")
        client.read_close()
    host.wait_for("disconnect 4321 -")


def test_empty_message_is_lost(host: Host) -> None:
    with host.connect("/echo") as client:
        client.send_text("")
        client.send_text("next")
        assert client.read_text() == "next"


def test_violation_has_no_close_frame(host: Host) -> None:
    with host.connect("/echo") as client:
        client.send_frame(0x3)
        assert client.stream.read_to_end() == b""


def test_nothing_bounds_what_is_buffered(host: Host) -> None:
    """Of what the peer sends, and of the echo that it does not read."""
    with host.connect("/echo") as client:
        messages = encode_frame(BINARY, bytes(1 << 20)) * 64
        assert client.stream.write_some(messages, timeout=5.0) == len(messages)


# Requests


def test_broken_handshake_is_answered_by_autobahn(host: Host) -> None:
    with host.connect() as client:
        assert client.handshake("/echo", version="12").status == 400


def test_origin_has_a_policy_of_autobahn_s(host: Host) -> None:
    with host.connect() as client:
        assert client.handshake("/echo", origin="nonsense").status == 400


def test_each_byte_of_a_head_begins_its_time_anew() -> None:
    clock, transport = Clock(), StringTransport()  # type: ignore[no-untyped-call]  # Twisted's
    channel: Any = HTTPChannel()  # type: ignore[no-untyped-call]  # Twisted's
    channel.callLater, channel.timeOut = clock.callLater, 10
    channel.makeConnection(transport)
    for byte in b"GET / HTTP/1.1":
        clock.advance(9)
        channel.dataReceived(bytes([byte]))
    assert not transport.disconnecting

"""What daphne does otherwise: each test fails when daphne has mended it.

`turnout_compat.daphne_frames` stands in front of all but the last, `http` of that.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.adapters.asgi_host import BARE, Host


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


def test_broken_handshake_is_answered_by_autobahn(host: Host) -> None:
    with host.connect() as client:
        assert client.handshake("/echo", version="12").status == 400

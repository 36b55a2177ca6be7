"""What granian does otherwise: each test fails when granian has mended it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.adapters.asgi_host import BARE, Host


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """granian, without turnout."""
    folder = tmp_path_factory.mktemp("hosted")
    with Host("granian", folder, BARE) as running:
        yield running


def test_close_waits_for_whoever_receives(host: Host) -> None:
    """So a connection of turnout's stops receiving before it closes."""
    with host.connect("/held") as client:
        assert client.read_close().code == 4001
    assert "close was sent False" in host.report


def test_headers_of_an_accept_are_lost(host: Host) -> None:
    with host.connect() as client:
        assert "X-Mark" not in client.open("/echo").headers


def test_refusal_has_the_headers_of_a_101(host: Host) -> None:
    with host.connect() as client:
        answer = client.handshake("/deny")
        assert (answer.status, answer.body) == (401, b"no")
        assert "Sec-WebSocket-Accept" in answer.headers


def test_reason_of_the_peer_is_lost(host: Host) -> None:
    with host.connect("/echo") as client:
        client.send_close(4321, "why")
        client.read_close()
    host.wait_for("disconnect 4321 -")


def test_peer_that_vanishes_is_told_as_1005(host: Host) -> None:
    with host.connect("/echo") as client:
        client.stream.vanish()
        host.wait_for("disconnect 1005")

"""What uvicorn's implementations do otherwise: each test fails when uvicorn has mended it.

`turnout_compat.uvicorn_frames` and `uvicorn_legacy_frames` stand in front of the frames,
`turnout_adapters.uvicorn.handshake` of the requests.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.adapters.asgi_host import BARE, Host

from turnout.testing.frames import TEXT

SANSIO, LEGACY, WSPROTO = "websockets-sansio", "websockets", "wsproto"


@pytest.fixture(scope="module", params=[SANSIO, LEGACY, WSPROTO])
def host(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Host]]:
    """uvicorn with one implementation, without turnout."""
    folder = tmp_path_factory.mktemp("hosted")
    with Host("uvicorn", folder, BARE, "--ws", request.param) as running:
        yield request.param, running


def test_vanished_peer_is_told_as_1005(host: tuple[str, Host]) -> None:
    implementation, running = host
    with running.connect("/echo") as client:
        client.stream.vanish()
        running.wait_for(f"disconnect {1006 if implementation == LEGACY else 1005}")


def test_close_within_a_fragmented_message(host: tuple[str, Host]) -> None:
    implementation, running = host
    with running.connect("/echo") as client:
        client.send_frame(TEXT, b"begun", fin=False)
        client.send_close(4000)
        expected = 1002 if implementation == SANSIO else 4000
        assert client.read_close().code == expected


def test_text_that_is_no_utf8(host: tuple[str, Host]) -> None:
    implementation, running = host
    with running.connect("/echo") as client:
        client.send_frame(TEXT, b"\xff")
        answer = client.stream.read_to_end()
    assert answer[2:4] == (b"" if implementation == WSPROTO else (1007).to_bytes(2))


def test_version_that_is_not_spoken(host: tuple[str, Host]) -> None:
    implementation, running = host
    with running.connect() as client:
        answer = client.handshake("/echo", version="12")
    assert answer.status == (426 if implementation == WSPROTO else 400)

"""What uvicorn's implementations do otherwise: each test fails when uvicorn has mended it.

`turnout_compat.uvicorn_frames` and `uvicorn_legacy_frames` stand in front of the frames,
`turnout_adapters.uvicorn.handshake` of the requests.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version

import pytest
from tests.adapters.asgi_host import BARE, Host
from websockets.asyncio import messages

from turnout.testing.frames import BINARY, CLOSE, CONTINUATION, PONG, TEXT, encode_frame

BOUNDED_FRAGMENTS = hasattr(messages, "MAX_FRAGMENTS")
LATIN_1_FIELDS = int(version("websockets").partition(".")[0]) >= 17
SANSIO, LEGACY, WSPROTO = "websockets-sansio", "websockets", "wsproto"


def only(*implementations: str) -> pytest.MarkDecorator:
    """Run a test with these implementations; the others do as turnout does."""
    return pytest.mark.parametrize("host", implementations, indirect=True, scope="module")


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


@pytest.mark.parametrize("header", [b"\x82\xfe\x00\x01", b"\x82\xff" + bytes(7) + b"\x01"])
def test_length_in_more_bytes_than_it_needs(host: tuple[str, Host], header: bytes) -> None:
    implementation, running = host
    with running.connect("/echo") as client:
        client.stream.write(header + b"\0\0\0\0" + b"x")
        if implementation == WSPROTO:
            assert client.stream.read_to_end() == b""
        else:
            assert client.read_binary() == b"x"


@only(SANSIO)
def test_text_that_is_no_utf8_is_found_at_its_end(host: tuple[str, Host]) -> None:
    _, running = host
    with running.connect("/echo") as client:
        client.send_frame(TEXT, b"\xff", fin=False)
        client.send_ping()
        assert client.read_frame().opcode == PONG
        client.send_frame(CONTINUATION)
        client.expect_failure(1007)


@only(SANSIO, WSPROTO)
def test_own_close_is_told_as_the_end(host: tuple[str, Host]) -> None:
    """Before the peer has answered it."""
    _, running = host
    with running.connect("/close") as client:
        assert client.read_close().code == 4001
        running.wait_for("disconnect 4001 bye")


@only(LEGACY)
def test_close_waits_for_the_peer(host: tuple[str, Host]) -> None:
    """The call of the application returns when the peer has answered."""
    _, running = host
    with running.connect("/held") as client:
        assert client.read_close().code == 4001
        running.wait_for("close was sent False")


def test_http_1_0_is_upgraded(host: tuple[str, Host]) -> None:
    _, running = host
    with running.connect() as client:
        assert client.handshake("/echo", http_version="HTTP/1.0").status == 101


@only(LEGACY, WSPROTO)
def test_handshake_with_a_body_is_upgraded(host: tuple[str, Host]) -> None:
    _, running = host
    with running.connect() as client:
        request = client.handshake_request("/echo", headers=(("Content-Length", "5"),)).encode()
        assert client.request(request + b"hello").status == 101


@only(LEGACY)
def test_more_fields_than_websockets_parses(host: tuple[str, Host]) -> None:
    """The sans-I/O core has the same limit, and leaves such a handshake unanswered."""
    _, running = host
    with running.connect() as client:
        fields = tuple((f"X-{number}", "a") for number in range(200))
        assert client.handshake("/echo", headers=fields).status == 400


def test_last_line_of_a_list_counts_for_all(host: tuple[str, Host]) -> None:
    """The application says 500 to plain HTTP."""
    _, running = host
    with running.connect() as client:
        lines = (("Connection", "keep-alive"),)
        assert client.handshake("/echo", headers=lines).status == 500


def test_head_of_any_size_is_taken(host: tuple[str, Host]) -> None:
    """By httptools; for h11 see `tests.adapters.wsproto.test_shims`."""
    _, running = host
    with running.connect() as client:
        assert client.fetch("/page", headers={"X-Large": "x" * 100_000}).status == 500


def test_connection_ends_behind_a_refusal(host: tuple[str, Host]) -> None:
    _, running = host
    with running.connect() as client:
        assert client.handshake("/refuse").status == 403
        client.expect_end()


def test_slow_requests_are_waited_for(host: tuple[str, Host]) -> None:
    _, running = host
    with running.connect() as client:
        client.stream.write(b"GET /echo HTTP/1.1\r\nHost: x\r\n")
        assert not client.stream.has_data(timeout=0.5)


@only(LEGACY)
def test_field_that_is_not_ascii(host: tuple[str, Host]) -> None:
    """uvicorn reads it as websockets 17 says, which its legacy server does not do."""
    _, running = host
    with running.connect() as client:
        answer = client.handshake("/echo", headers=(("X-Name", "\xe9"),))
    assert answer.status == (500 if LATIN_1_FIELDS else 101)


@only(LEGACY)
def test_more_fragments_than_websockets_joins(host: tuple[str, Host]) -> None:
    _, running = host
    with running.connect("/echo") as client:
        client.stream.write(encode_frame(BINARY, b"a", fin=False))
        client.stream.write(encode_frame(CONTINUATION, b"a", fin=False) * 5000)
        if BOUNDED_FRAGMENTS:
            assert client.read_close().code == 1009
        else:
            client.send_frame(CONTINUATION)
            assert client.read_binary() == b"a" * 5001


@only(LEGACY)
def test_violation_comes_before_the_answer(host: tuple[str, Host]) -> None:
    """What came before it is not answered any more."""
    _, running = host
    with running.connect("/echo") as client:
        client.stream.write(encode_frame(TEXT, b"before") + encode_frame(0x3))
        assert client.read_frame().opcode == CLOSE

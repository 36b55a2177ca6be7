"""The raw client against a server that others wrote."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest
from websockets.sync.server import Server, ServerConnection, serve

from turnout.http import Address
from turnout.testing.client import RawClient
from turnout.testing.expectations import Unexpected
from turnout.testing.frames import CLOSE, PING, PONG, TEXT, Frame, encode_frame, mask
from turnout.testing.http import accept_key, read_chunks, read_response
from turnout.testing.stream import EndOfStream


def echo(connection: ServerConnection) -> None:
    for message in connection:
        if message == "close":
            connection.close(4001, "bye")
        elif message == "pieces":
            connection.send(["on", "ce"])
        elif message == "ping":
            connection.ping(b"are you there")
        else:
            connection.send(message)


@pytest.fixture
def server() -> Iterator[Server]:
    with serve(echo, "127.0.0.1", 0, compression=None, max_size=1 << 22) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join(10)


@pytest.fixture
def client(server: Server) -> Iterator[RawClient]:
    with RawClient(server.socket.getsockname()) as connected:
        yield connected


def test_handshake(client: RawClient) -> None:
    request = client.handshake_request("/", key="dGhlIHNhbXBsZSBub25jZQ==")
    response = client.request(request.encode())
    assert response.status == 101
    assert response.headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_fields_that_are_left_out(client: RawClient) -> None:
    request = client.handshake_request("/x", key=None, upgrade=None, origin="null")
    lines = request.encode().decode().split("\r\n")
    assert lines == [
        "GET /x HTTP/1.1",
        f"Host: {client.host}",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Origin: null",
        "",
        "",
    ]


def test_refused_handshake(client: RawClient) -> None:
    response = client.handshake("/", version="12")
    assert response.status == 400
    assert b"version" in response.body.lower()
    with pytest.raises((ConnectionRefusedError, ConnectionError)):
        client.open("/", version="12")


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536, 1_000_000])
def test_messages_of_every_length_field(client: RawClient, size: int) -> None:
    client.open("/")
    data = bytes(range(251)) * (size // 251) + bytes(size % 251)
    client.send_binary(data)
    assert client.read_binary() == data
    client.send_text("ä" * (size // 2))
    assert client.read_text() == "ä" * (size // 2)


def test_message_in_pieces(client: RawClient) -> None:
    client.open("/")
    client.send_text("pieces")
    message = client.read_message()
    assert (message.payload, message.frames) == ("once", 3)
    client.send_frame(TEXT, b"a", fin=False)
    client.send_frame(0, b"b")
    assert client.read_text() == "ab"


def test_pings(client: RawClient) -> None:
    client.open("/")
    client.send_ping(b"x")
    assert client.read_frame() == Frame(PONG, b"x")
    client.send_text("ping")
    assert client.read_frame() == Frame(PING, b"are you there")
    client.send_pong(b"are you there")


def test_close_by_the_server(client: RawClient) -> None:
    client.open("/")
    client.send_text("close")
    assert client.answer_close() == (4001, "bye")


def test_close_by_the_client(client: RawClient) -> None:
    client.open("/")
    assert client.close(4002, "ciao") == (4002, "ciao")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (encode_frame(TEXT, b"x", masked=False), 1002),
        (encode_frame(0x3), 1002),
        (encode_frame(TEXT, b"x", rsv=2), 1002),
        (encode_frame(PING, b"", fin=False), 1002),
        (encode_frame(TEXT, b"", declared_length=1 << 40), 1009),
        (encode_frame(CLOSE, b"\x03\xed"), 1002),
        (encode_frame(TEXT, b"\xff"), 1007),
    ],
)
def test_bytes_that_break_the_protocol(client: RawClient, data: bytes, code: int) -> None:
    client.open("/")
    client.stream.write(data)
    client.expect_failure(code)


def test_something_else_than_expected_fails(client: RawClient) -> None:
    client.open("/")
    client.send_text("hello")
    with pytest.raises(AssertionError, match="expected a close frame, got a text frame of"):
        client.read_close()
    client.send_text("close")
    with pytest.raises(AssertionError, match="expected a message, got a close frame with 4001"):
        client.read_message()


def test_bytes_where_the_end_was_expected_fail(client: RawClient) -> None:
    client.open("/")
    client.send_text("hello")
    client.send_close()
    with pytest.raises(AssertionError, match="expected the end"):
        client.expect_end()


def test_masking_undoes_itself() -> None:
    payload = bytes(range(7))
    assert mask(mask(payload, b"abcd"), b"abcd") == payload
    assert mask(b"\0\0\0\0\0", b"abcd") == b"abcda"
    assert mask(b"", b"abcd") == b""


def test_masked_frame_of_the_rfc() -> None:
    """The example of RFC 6455 section 5.7."""
    frame = encode_frame(TEXT, b"Hello", key=bytes.fromhex("37fa213d"))
    assert frame.hex() == "818537fa213d7f9f4d5158"


def test_accept_key_of_the_rfc() -> None:
    """The example of RFC 6455 section 1.3."""
    assert accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.fixture
def scripted() -> Iterator[Callable[[bytes], Address]]:
    """Return a function that starts a server which says just these bytes and goes."""
    threads: list[threading.Thread] = []

    def start(answer: bytes) -> Address:
        listener = socket.create_server(("127.0.0.1", 0))
        address: Address = listener.getsockname()

        def serve_once() -> None:
            with listener, listener.accept()[0] as connection:
                connection.sendall(answer)

        threads.append(threading.Thread(target=serve_once))
        threads[-1].start()
        return address

    yield start
    for thread in threads:
        thread.join(10)


def test_chunked_response(scripted: Callable[[bytes], Address]) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX: 1\r\nX: 2\r\n\r\n"
    with RawClient(scripted(head + b"5;ext=1\r\nhello\r\n1\r\n!\r\n0\r\n\r\n")) as client:
        response = read_response(client.stream)
    assert response.body == b"hello!"
    assert response.headers.get_all("x") == ["1", "2"]


def test_response_until_the_end(scripted: Callable[[bytes], Address]) -> None:
    with RawClient(scripted(b"HTTP/1.0 404 Not Found\r\n\r\ngone")) as client:
        response = read_response(client.stream)
    assert (response.status, response.text) == (404, "gone")


def test_bytes_that_are_no_http(scripted: Callable[[bytes], Address]) -> None:
    client = RawClient(scripted(b"SSH-2.0 hello there\r\n\r\n"))
    with client, pytest.raises(ValueError, match="expected an HTTP response, got 'SSH-2"):
        read_response(client.stream)


def test_chunk_of_a_wrong_size(scripted: Callable[[bytes], Address]) -> None:
    with RawClient(scripted(b"3\r\nhello\r\n")) as client, pytest.raises(Unexpected):
        list(read_chunks(client.stream))


def test_connection_that_ends_early(scripted: Callable[[bytes], Address]) -> None:
    with RawClient(scripted(b"HTTP/1.1 200")) as client, pytest.raises(EndOfStream, match="200"):
        read_response(client.stream)


def test_every_wait_has_a_deadline() -> None:
    silent = socket.create_server(("127.0.0.1", 0))
    with silent, RawClient(silent.getsockname(), timeout=0.05) as client:
        with pytest.raises(TimeoutError):
            client.read_frame()
        assert not client.stream.has_data(timeout=0.01)
        assert client.stream.write_some(bytes(1 << 26), timeout=0.05) < 1 << 26


def test_unix_socket(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = str(tmp_path_factory.mktemp("u") / "s")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        with RawClient(path) as client:
            peer, _ = listener.accept()
            with peer:
                peer.sendall(b"\x81\x02hi")
                assert client.read_text() == "hi"

"""The plain HTTP side: what the fallback transports will stand on."""

from __future__ import annotations

import hashlib

import pytest

from turnout.testing.client import Connect, RawClient
from turnout.testing.http import read_chunks, read_response
from turnout.testing.marks import both_colours, rule, slow
from turnout.testing.rows import Row
from turnout.testing.server import Server

LIMIT = 100_000  # of the subject's /http/body


def digest(body: bytes) -> bytes:
    return f"{len(body)} {hashlib.sha256(body).hexdigest()}".encode()


def read_first_piece(client: RawClient) -> bytes:
    response = read_response(client.stream, head_only=True)
    if response.headers.get("Transfer-Encoding") == "chunked":
        return next(read_chunks(client.stream))
    return client.stream.read_exactly(7)


@both_colours
@pytest.mark.parametrize("status", [200, 204, 302, 404, 503])
@rule(Row.HTTP, "a response: status, repeated headers, body")
def test_response(connect: Connect, colour: str, status: int) -> None:
    response = connect().fetch(f"/{colour}/http/status/{status}?a=%20b")
    assert response.status == status
    assert response.headers.get_all("Set-Cookie") == ["a=1", "b=2"]
    assert response.headers["X-Query"] == "a=%20b"
    assert response.headers["X-Added"] == "before"
    assert response.body == (b"" if status == 204 else b"an answer")


@both_colours
@pytest.mark.parametrize("size", [0, 1, 5000, LIMIT])
@rule(Row.HTTP, "a request body up to its limit is read whole")
def test_body(connect: Connect, colour: str, size: int) -> None:
    client = connect()
    body = bytes(range(256)) * (size // 256) + bytes(size % 256)
    response = client.fetch(f"/{colour}/http/body", method="POST", body=body)
    assert (response.status, response.body) == (200, digest(body))
    assert response.headers["X-Method"] == "POST"
    assert client.fetch(f"/{colour}/http/status/200").status == 200


@both_colours
@rule(Row.HTTP, "a chunked request body is read whole (RFC 9112 §7.1)")
def test_chunked_body(connect: Connect, colour: str) -> None:
    client = connect()
    head = f"POST /{colour}/http/body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    response = client.request(head.encode() + b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n")
    assert response.body == digest(b"hello world")


@both_colours
@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
@rule(Row.HTTP, "a request body over its limit → 413")
def test_body_over_the_limit(connect: Connect, colour: str, chunked: bool) -> None:
    client = connect()
    target, size = f"/{colour}/http/body", LIMIT + 1
    if chunked:
        head = f"POST {target} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        client.stream.write(head.encode() + f"{size:x}\r\n".encode() + bytes(size) + b"\r\n")
        response = client.request(b"0\r\n\r\n")
    else:
        response = client.fetch(target, method="POST", body=bytes(size))
    assert response.status == 413


@both_colours
@rule(Row.HTTP, "a response is streamed piece by piece, each as it is written")
def test_streamed_response(server: Server, connect: Connect, colour: str, token: str) -> None:
    client = connect()
    response = client.fetch(f"/{colour}/http/stream?pieces=5&size=1000&token={token}")
    assert response.status == 200
    assert response.body == b"".join(bytes([number]) * 1000 for number in range(5))
    server.events.wait_for(token, "finished")
    assert client.fetch(f"/{colour}/http/status/200").status == 200


@both_colours
@rule(Row.HTTP, "the first piece arrives before the last is written")
def test_pieces_are_not_collected(connect: Connect, colour: str) -> None:
    client = connect()
    client.stream.write(f"GET /{colour}/http/disconnect HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert read_first_piece(client) == b"waiting"


@slow
@both_colours
@rule(Row.HTTP, "a client that does not read holds the writing handler back; nothing is lost")
def test_streaming_back_pressure(server: Server, connect: Connect, colour: str, token: str) -> None:
    pieces, size = 400, 100_000
    client = connect(settings={"receive_buffer": 4096, "timeout": 30.0})
    target = f"/{colour}/http/stream?pieces={pieces}&size={size}&token={token}"
    client.stream.write(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    server.events.wait_for(token, "written")
    written = server.events.wait_until_quiet(token, "written", quiet=0.3)
    assert len(written) * size < 16 * 1024 * 1024
    body = read_response(client.stream).body
    assert len(body) == pieces * size
    assert body[::size] == bytes(number % 256 for number in range(pieces))
    server.events.wait_for(token, "finished")


@both_colours
@rule(Row.HTTP, "a handler that waits for it learns that the client has gone")
def test_client_goes(server: Server, connect: Connect, colour: str, token: str) -> None:
    client = connect()
    target = f"/{colour}/http/disconnect?token={token}"
    client.stream.write(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    read_first_piece(client)  # else the client might be gone before it is written
    assert not server.events.of(token, "client gone")
    client.stream.vanish()
    assert server.events.wait_for(token, "client gone")[0]["disconnected"]


@slow
@both_colours
@rule(Row.HTTP, "writing to a client that has gone raises ConnectionClosed")
def test_write_to_a_client_that_went(
    server: Server, connect: Connect, colour: str, token: str
) -> None:
    client = connect(settings={"receive_buffer": 4096})
    target = f"/{colour}/http/stream?pieces=1000&size=100000&token={token}"
    client.stream.write(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    server.events.wait_for(token, "written")
    client.stream.vanish()
    server.events.wait_for(token, "client gone")
    assert not server.events.of(token, "finished")


@both_colours
@rule(Row.HTTP, "a handler that raises → 500 without detail")
def test_failing_http_handler(connect: Connect, colour: str) -> None:
    response = connect().fetch(f"/{colour}/http/failing")
    assert response.status == 500
    assert b"detail" not in response.body


@both_colours
@rule(Row.HTTP, "one path serves WebSockets, and plain HTTP to who does not ask for an upgrade")
def test_path_of_both(connect: Connect, colour: str) -> None:
    client = connect()
    response = client.fetch(f"/{colour}/both", method="POST", body=b"hello")
    assert (response.status, response.body) == (200, digest(b"hello"))
    assert client.handshake(f"/{colour}/both").status == 101
    client.send_text("hello")
    assert client.read_text() == "hello"


@rule(Row.HTTP, "a path that is not registered → 404")
def test_unknown_http_path(connect: Connect) -> None:
    assert connect().fetch("/no/such/page").status == 404


@rule(Row.HTTP, "HEAD is answered without a body, and the connection goes on")
def test_head(connect: Connect) -> None:
    client = connect()
    client.stream.write(b"HEAD /async/http/status/200 HTTP/1.1\r\nHost: x\r\n\r\n")
    assert read_response(client.stream, head_only=True).status == 200
    assert client.fetch("/async/http/status/200").body == b"an answer"

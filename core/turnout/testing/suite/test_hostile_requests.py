"""Requests that no browser makes: too large, malformed, or of another protocol altogether."""

from __future__ import annotations

import contextlib

import pytest

from turnout.testing.bystander import undisturbed
from turnout.testing.client import Connect, RawClient
from turnout.testing.http import HttpResponse, read_response
from turnout.testing.marks import both_colours, requires, rule
from turnout.testing.rows import Row
from turnout.testing.stream import EndOfStream

KIB = 1024
HANDSHAKE = {
    "Host": "127.0.0.1",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    "Sec-WebSocket-Version": "13",
}
MALFORMED = {
    "zero in a value": b"X-Own: a\0b",
    "carriage return in a value": b"X-Own: a\rX-Smuggled: b",
    "space before the colon": b"X-Own : a",
    "no name": b": a",
    "no colon": b"X-Own",
    "two hosts": b"Host: other.example",
    "negative length": b"Content-Length: -1",
    "two lengths": b"Content-Length: 5\r\nContent-Length: 6",
    "length and chunks": b"Content-Length: 5\r\nTransfer-Encoding: chunked",
}
NO_HTTP = {
    "TLS": bytes.fromhex("16030100c8010000c40303") + bytes(200),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "zeros": bytes(1000),
    "a frame": b"\x81\x85\0\0\0\0hello",
    "lines": b"\r\n".join([b"nonsense"] * 10) + b"\r\n\r\n",
}


def head(*more: bytes, target: bytes = b"/async/echo", without: str = "") -> bytes:
    """Return a handshake with further header lines, legal or not."""
    fields = [f"{k}: {v}".encode() for k, v in HANDSHAKE.items() if k != without]
    return b"\r\n".join([b"GET " + target + b" HTTP/1.1", *fields, *more, b"", b""])


def answer_to(client: RawClient, data: bytes) -> HttpResponse | None:
    """Send bytes and read a response; None when the server ends the connection without one."""
    try:
        return client.request(data)
    except (EndOfStream, ConnectionResetError, BrokenPipeError):
        return None


@requires("bounded_heads")
@both_colours
@rule(Row.HOSTILE, "100 KiB in one header → one answer, 400 or 431, and the connection ends")
def test_large_header(connect: Connect, colour: str) -> None:
    with undisturbed(connect):
        client = connect()
        big = b"X-Big: " + b"x" * 100 * KIB
        response = client.request(head(big, target=f"/{colour}/echo".encode()))
        assert response.status in (400, 413, 431)
        client.expect_end()


@requires("bounded_heads")
@rule(Row.HOSTILE, "20,000 header lines → one answer, 400 or 431, and the connection ends")
def test_many_headers(connect: Connect) -> None:
    with undisturbed(connect):
        client = connect()
        lines = [b"X-%d: x" % number for number in range(20_000)]
        assert client.request(head(*lines)).status in (400, 413, 431)
        client.expect_end()


@rule(Row.HOSTILE, "1,000 short header lines are taken or refused, and nothing else")
def test_a_thousand_headers(connect: Connect) -> None:
    with undisturbed(connect):
        response = connect().request(head(*[b"X-%d: x" % number for number in range(1000)]))
        assert response.status == 101 or response.status in (400, 413, 431)


@requires("bounded_heads")
@rule(Row.HOSTILE, "a target of 100 KiB → one answer, 400, 414 or 431, and the connection ends")
def test_long_target(connect: Connect) -> None:
    with undisturbed(connect):
        client = connect()
        response = client.request(head(target=b"/async/echo?" + b"x" * 100 * KIB))
        assert response.status in (400, 414, 431)
        client.expect_end()


@pytest.mark.parametrize("line", MALFORMED.values(), ids=MALFORMED)
@rule(Row.HOSTILE, "a malformed header line is never part of a handshake: 400 (RFC 9112 §5, §6.3)")
def test_malformed_header(connect: Connect, line: bytes) -> None:
    with undisturbed(connect):
        for request in (head(line), head(line, b"X-Last: last")):
            response = answer_to(connect(), request)
            assert response is None or response.status == 400


@requires("handshake_checks")
@rule(Row.HEADERS, "no Host → 400 (RFC 6455 §4.2.1)")
def test_missing_host(connect: Connect) -> None:
    assert connect().request(head(without="Host")).status == 400


@pytest.mark.parametrize("data", NO_HTTP.values(), ids=NO_HTTP)
@rule(Row.HOSTILE, "what is no HTTP/1.1 is refused or cut; others do not notice")
def test_no_http(connect: Connect, data: bytes) -> None:
    with undisturbed(connect):
        client = connect()
        client.stream.write(data)
        with contextlib.suppress(OSError):  # the server may have cut it already
            client.stream.shut_down_writing()
        answer = client.stream.read_to_end()
        assert b" 101 " not in answer
        assert b" 500 " not in answer


@both_colours
@rule(Row.HEADERS, "a malformed Sec-WebSocket-Extensions → 400, compression on or off (§9.1)")
def test_malformed_extensions(connect: Connect, colour: str) -> None:
    for extensions in ("permessage-deflate; a=", "; a", "a b", 'x; y="open'):
        response = connect().handshake(f"/{colour}/echo", extensions=extensions)
        assert response.status == 400


@pytest.mark.parametrize("origin", ["", "http://", "http://[", "é", "http://a/b", "file://"])
@rule(Row.ORIGIN, "an Origin that is none is a foreign one → 403")
def test_malformed_origin(connect: Connect, origin: str) -> None:
    assert connect().handshake("/async/echo", origin=origin).status == 403


@rule(Row.ORIGIN, "two Origin headers, the own one among them → 403")
def test_two_origins(connect: Connect) -> None:
    client = connect()
    headers = (("Origin", "https://foreign.example"),)
    response = client.handshake("/async/echo", origin=f"http://{client.host}", headers=headers)
    assert response.status == 403


@rule(Row.VERSION, "two Sec-WebSocket-Version headers → 426, though both are 13")
def test_two_versions(connect: Connect) -> None:
    headers = (("Sec-WebSocket-Version", "13"),)
    assert connect().handshake("/async/echo", headers=headers).status == 426


@requires("handshake_checks")
@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "PATCH", "BREW"])
@rule(Row.METHOD, "a method that HTTP knows little of, or nothing → 405, 400 or 501; never 101")
def test_strange_method(connect: Connect, method: str) -> None:
    client = connect()
    client.stream.write(client.handshake_request("/async/echo", method=method).encode())
    response = read_response(client.stream, head_only=True)
    assert response.status in (400, 405, 501)

"""Clients that take their time, or all of it."""

from __future__ import annotations

import contextlib
import time

from turnout.testing.certificates import Certificate
from turnout.testing.client import RawClient
from turnout.testing.frames import TEXT, encode_frame
from turnout.testing.marks import both_colours, requires, rule, slow
from turnout.testing.rows import Row
from turnout.testing.server import Server, StartServer

DRIP = 0.1
"""Seconds between two bytes: each of them comes in time, all of them do not."""


def check_cut(client: RawClient, request: bytes) -> None:
    """Send a request drip by drip; the server must end it before it is complete."""
    for byte in request:
        client.stream.write(bytes([byte]))
        if client.stream.has_data(timeout=DRIP):
            break
    assert b" 101 " not in client.stream.read_to_end()


def drip_to(server: Server, request: bytes) -> None:
    """Drip a request to a server, which may cut it while a byte is on its way."""
    with server.connect() as client, contextlib.suppress(ConnectionResetError, BrokenPipeError):
        check_cut(client, request)


@slow
@requires("handshake_timeout")
@rule(Row.TIMEOUTS, "handshake_timeout is for the whole request, and for no session that it became")
def test_slow_requests(start_server: StartServer) -> None:
    server = start_server("--handshake-timeout", "0.5")
    with server.connect() as session, server.connect() as silent, server.connect() as stopping:
        session.open("/async/echo")
        begin = time.monotonic()
        stopping.stream.write(b"GET /async/echo HTTP/1.1\r\n")
        for client in (silent, stopping):
            assert b" 101 " not in client.stream.read_to_end()
        drip_to(server, b"GET /async/echo HTTP/1.1\r\nHost: x\r\n" + b"X-Slow: slow\r\n" * 100)
        assert time.monotonic() - begin > 0.5
        session.send_text("no request any more")
        assert session.read_text() == "no request any more"
    server.stop().check()


@slow
@requires("handshake_timeout", "handshake_checks")
@rule(Row.TIMEOUTS, "a connection that was kept is cut handshake_timeout after its last answer")
def test_slow_second_request(start_server: StartServer) -> None:
    server = start_server("--handshake-timeout", "0.5")
    with server.connect() as client:
        assert client.handshake("/async/echo", version="12").status == 426
        client.stream.write(b"GET /async/echo HTTP/1.1\r\n")
        assert b" 101 " not in client.stream.read_to_end()


@slow
@requires("tls", "handshake_timeout")
@rule(Row.TIMEOUTS, "a peer that does not begin TLS, or speaks no TLS, is cut; others are answered")
def test_silence_where_tls_is_spoken(start_server: StartServer, certificate: Certificate) -> None:
    flags = ("--tls-cert", str(certificate.chain), "--tls-key", str(certificate.key))
    server = start_server(*flags, "--handshake-timeout", "0.5")
    with server.connect() as silent, server.connect() as plain:
        plain.stream.write(plain.handshake_request("/async/echo").encode())
        assert b" 101 " not in plain.stream.read_to_end()
        with server.connect(tls=certificate.client_context()) as client:
            client.open("/async/echo")
            client.send_text("hello")
            assert client.read_text() == "hello"
            silent.expect_end()
            client.close()
    server.stop().check()


@both_colours
@rule(Row.HOSTILE, "a client that sends bytes one by one: handshake, messages, close")
def test_byte_by_byte(server: Server, colour: str) -> None:
    def write(data: bytes) -> None:
        for byte in data:
            client.stream.write(bytes([byte]))

    with server.connect() as client:
        request = client.handshake_request(f"/{colour}/echo").encode()
        write(request[:-1])
        assert client.request(request[-1:]).status == 101
        write(encode_frame(TEXT, b"x" * 300))
        assert client.read_text() == "x" * 300
        write(encode_frame(0x8, b"\x0f\xa0"))
        assert client.read_close()[0] == 4000
        client.expect_end()

"""What Werkzeug does by itself: each of these fails when it has changed, and a shim can go.

`turnout_adapters.werkzeug_server` stands in front of all of it.
"""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from tests.adapters.threaded_host import RunServer

from turnout.testing.certificates import Certificate
from turnout.testing.http import read_response


def bare(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Answer anything."""
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]


# How long a connection lives


def test_connection_ends_behind_each_response(run_server: RunServer) -> None:
    with run_server(bare).connect() as client:
        assert client.fetch("/").is_last
        client.expect_end()


def test_slow_requests_are_waited_for(run_server: RunServer) -> None:
    with run_server(bare).connect() as client:
        client.stream.write(b"GET / HTTP/1.1\r\nHost: x\r\n")
        assert not client.stream.has_data(timeout=0.5)


def test_who_is_silent_where_tls_is_spoken_holds_up_everybody(
    run_server: RunServer, certificate: Certificate
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.chain, certificate.key)
    server = run_server(bare, ssl_context=context)
    with socket.create_connection(server.address), socket.create_connection(server.address) as late:
        late.settimeout(0.5)
        with pytest.raises(TimeoutError):
            certificate.client_context().wrap_socket(late, server_hostname="127.0.0.1")


# What is taken for the head of a request


@pytest.mark.parametrize(
    "lines",
    [
        b"X-Own : a",
        b"X-Own: a\0b",
        b"X-Own: a\rX-Smuggled: b",
        b"nonsense",
        b"Host: y",
        b"Content-Length: 0\r\nContent-Length: 5",
    ],
)
def test_malformed_heads_are_taken(run_server: RunServer, lines: bytes) -> None:
    with run_server(bare).connect() as client:
        request = b"GET / HTTP/1.1\r\nHost: x\r\n" + lines + b"\r\n\r\n"
        assert client.request(request).status == 200


def test_a_head_that_ends_with_the_connection_is_a_request(run_server: RunServer) -> None:
    with run_server(bare).connect() as client:
        client.stream.write(b"GET / HTTP/1.1\r\nHost: x\r\nX-Cut: sho")
        client.stream.shut_down_writing()
        assert read_response(client.stream).status == 200


# What it writes behind a session, and lets go


def take_the_socket(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Take the socket over as an application would that knows nothing of Werkzeug's handler."""
    environ["werkzeug.socket"].sendall(b"HTTP/1.1 101 Switching Protocols\r\n\r\nclose frame")
    start_response("101 Switching Protocols", [])
    return ()


def test_werkzeug_writes_a_response_behind_the_close_frame(run_server: RunServer) -> None:
    """Why the server is left with a socket that is shut down: fails when Werkzeug has changed."""
    with run_server(take_the_socket).connect() as client:
        client.stream.write(client.handshake_request("/").encode())
        client.stream.read_until(b"close frame")
        assert client.stream.read_to_end().startswith(b"HTTP/1.1 101 ")


def raise_for_a_client_that_went(
    environ: dict[str, Any], start_response: Callable[..., Any]
) -> Iterable[bytes]:
    """Fail as writing to a client does that has gone."""
    raise BrokenPipeError


def test_werkzeug_lets_a_client_go_that_has_gone(
    run_server: RunServer, caplog: pytest.LogCaptureFixture
) -> None:
    """What `ConnectionIsOver` stands on."""
    with run_server(raise_for_a_client_that_went).connect() as client:
        client.stream.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert client.stream.read_to_end() == b""
    assert not [one for one in caplog.records if one.levelno >= logging.ERROR]

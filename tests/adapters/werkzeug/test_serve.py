"""`serve`, in a process of its own: what the black-box suite does not look at."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from werkzeug.serving import WSGIRequestHandler

from turnout import ConfigurationError
from turnout.testing.certificates import Certificate
from turnout.testing.client import RawClient
from turnout.testing.http import read_response
from turnout.testing.server import Server, ServerCommand
from turnout_adapters.werkzeug import WerkzeugStrategy


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    return Certificate.make(tmp_path)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(ServerCommand(engine="werkzeug")) as running:
        yield running


def test_a_connection_is_kept_for_further_requests(server: Server) -> None:
    with server.connect() as client:
        first = client.fetch("/async/http/status/200")
        assert "Connection" not in first.headers
        target = "/async/http/status/404"
        assert (
            client.fetch(target, headers={"Connection": "close"}).headers["Connection"] == "close"
        )
        client.expect_end()


def test_requests_that_come_together_are_answered_in_turn(server: Server) -> None:
    lines = "GET /plain/http/status/{} HTTP/1.1\r\nHost: x\r\n\r\n"
    with server.connect() as client:
        client.stream.write("".join(lines.format(code) for code in (200, 404, 503)).encode())
        assert [read_response(client.stream).status for _ in range(3)] == [200, 404, 503]


def test_a_body_that_nobody_read_ends_the_connection(server: Server) -> None:
    with server.connect() as client:
        response = client.fetch("/async/http/status/200", method="POST", body=b"x" * 1000)
        assert response.headers["Connection"] == "close"
        client.expect_end()


def test_slow_handshakes_of_tls_hold_nobody_up(certificate: Certificate) -> None:
    options = ("--tls-cert", str(certificate.chain), "--tls-key", str(certificate.key))
    with Server(ServerCommand(engine="werkzeug", options=options)) as server:
        assert not isinstance(server.address, str)
        silent = [socket.create_connection(server.address) for _ in range(5)]
        with RawClient(server.address, tls=certificate.client_context()) as client:
            client.open("/async/echo")
            client.send_text("hello")
            assert client.read_text() == "hello"
            client.close()
        server.signal(signal.SIGTERM)
        server.wait().check()
        for one in silent:
            one.close()


def test_an_idle_connection_does_not_hold_the_end_up(server: Server) -> None:
    with server.connect() as idle, server.connect() as used:
        assert used.fetch("/async/http/status/200").status == 200
        server.stop().check()
        idle.expect_end()
        used.expect_end()


def test_settings() -> None:
    class Handler(WSGIRequestHandler):
        pass

    strategy = WerkzeugStrategy().configure(request_handler=Handler)
    assert strategy.native_settings == {"request_handler": Handler}
    with pytest.raises(ConfigurationError, match="subclass of WSGIRequestHandler"):
        WerkzeugStrategy().configure(request_handler=object)
    with pytest.raises(ConfigurationError, match="processes is decided by turnout"):
        WerkzeugStrategy().configure(processes=3)
    with pytest.raises(ConfigurationError, match="did you mean 'request_handler'"):
        WerkzeugStrategy().configure(request_handlers=Handler)

"""turnout in front of a WSGI application on a server of threads; imported for each of these.

The module that imports these tests has the functions `mount`, of its server, and `make`, which
returns an application that echoes at `/echo` and leaves the rest to `page`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from tests.adapters.threaded_host import RunServer

from turnout import UnsupportedOptionError, WebSocketHandlerRegistry, WebSocketOptions
from turnout.testing.frames import TEXT, encode_frame
from turnout.testing.http import read_response


def page(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer as the web application that was there before."""
    start_response("200 OK", [("X-Host", "yes"), ("Content-Type", "text/plain")])
    return [b"page ", environ["PATH_INFO"].encode("latin-1")]


def test_a_websocket_beside_the_hosts_routes(
    run_server: RunServer, request: pytest.FixtureRequest
) -> None:
    server = run_server(request.module.make())
    with server.connect("/echo") as client:
        client.send_text("hello")
        assert client.read_text() == "hello"
        for target in ("/", "/echo"):  # a plain GET of a WebSocket's path is the host's
            with server.connect() as other:
                response = other.fetch(target)
                assert response.body == f"page {target}".encode()
                assert response.headers["X-Host"] == "yes"
        assert client.close(4001, "bye") == (4001, "bye")


def test_the_101_is_what_core_made_it(
    run_server: RunServer, request: pytest.FixtureRequest
) -> None:
    with run_server(request.module.make()).connect() as client:
        response = client.handshake("/echo")
        names = [name.lower() for name, _ in response.headers.fields()]
        assert names == ["upgrade", "connection", "sec-websocket-accept"]


def test_frames_that_come_with_the_request_are_delivered(
    run_server: RunServer, request: pytest.FixtureRequest
) -> None:
    with run_server(request.module.make()).connect() as client:
        handshake = client.handshake_request("/echo").encode()
        frames = b"".join(encode_frame(TEXT, str(number).encode()) for number in range(3))
        client.stream.write(handshake + frames)
        assert read_response(client.stream, head_only=True).status == 101
        assert [client.read_text() for _ in range(3)] == ["0", "1", "2"]


def test_the_time_of_a_request_is_the_hosts(request: pytest.FixtureRequest) -> None:
    registry = WebSocketHandlerRegistry(options=WebSocketOptions(handshake_timeout=3))
    with pytest.raises(UnsupportedOptionError, match="handshake_timeout"):
        request.module.mount(None, registry)

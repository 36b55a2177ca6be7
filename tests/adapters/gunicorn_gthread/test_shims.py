"""What gunicorn does by itself: each of these fails when it has changed, and a shim can go."""

from __future__ import annotations

import inspect
import socket

import pytest
from gunicorn.config import Config
from gunicorn.workers.gthread import TConn
from tests.adapters.gunicorn_host import Run


def test_closing_a_connection_again_raises() -> None:
    """Why the worker of `serve` does not let it: gunicorn counts such a connection twice."""
    near, far = socket.socketpair()
    with far:
        connection = TConn(Config(), near, "", "")
        near.close()
        if "graceful" in inspect.signature(connection.close).parameters:
            with pytest.raises(OSError, match="Bad file descriptor"):
                connection.close(graceful=True)


def test_gunicorn_writes_a_response_after_an_application_has_taken_the_socket(run: Run) -> None:
    """Why an upgraded request is ended with `ConnectionIsOver`."""
    with run(app="bare").connect() as client:
        client.stream.write(client.handshake_request("/").encode())
        client.stream.read_until(b"frames")
        assert client.stream.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 101 ")

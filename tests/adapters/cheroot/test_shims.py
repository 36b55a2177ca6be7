"""What cheroot does by itself: each of these fails when it has changed, and a shim can go.

`turnout_adapters.cheroot_server` stands in front of all of it, `CherootResponse` of the 101.
"""

from __future__ import annotations

from collections.abc import Iterable
from queue import Queue
from typing import Any

import pytest
from cheroot.server import HTTPConnection
from tests.adapters.threaded_host import DEADLINE, RunServer


def bare(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Say what was read for the field X-Own; take the connection where a query says so."""
    if environ["QUERY_STRING"] == "take":
        environ["wsgi.input"].rfile.raw._sock.sendall(b"frames")
        start_response("101 Switching Protocols", [])
        return []
    body = environ.get("HTTP_X_OWN", "none").encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


@pytest.mark.parametrize(
    "lines", [b"X-Some : a", b"X-Some: a\0b", b"Host: y", b"Content-Length: 0\r\nContent-Length: 5"]
)
def test_malformed_heads_are_taken(run_server: RunServer, lines: bytes) -> None:
    with run_server(bare).connect() as client:
        request = b"POST / HTTP/1.1\r\nHost: x\r\n" + lines + b"\r\n\r\n12345"
        assert client.request(request).status == 200


def test_last_of_fields_with_one_name_is_left(run_server: RunServer) -> None:
    with run_server(bare).connect() as client:
        request = b"GET / HTTP/1.1\r\nHost: x\r\nX-Own: first\r\nX-Own: last\r\n\r\n"
        assert client.request(request).body == b"last"


def test_threads_are_as_many_as_there_were(run_server: RunServer) -> None:
    server: Any = run_server(bare, numthreads=1)
    with server.connect() as slow, server.connect() as late:
        slow.stream.write(b"GET / HTTP/1.1\r\n")
        late.stream.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert not late.stream.has_data(timeout=0.5)


def test_a_response_is_written_after_an_application_has_taken_the_socket(
    run_server: RunServer,
) -> None:
    with run_server(bare).connect() as client:
        client.stream.write(b"GET /?take HTTP/1.1\r\nHost: x\r\n\r\n")
        client.stream.read_until(b"frames")
        assert client.stream.read_until(b"\r\n").startswith(b"HTTP/1.1 101 ")


def test_what_could_not_be_written_is_kept(run_server: RunServer) -> None:
    """Python 3.13 and later print an error when that is dropped: so our connections close it."""
    seen: Queue[HTTPConnection] = Queue()

    class Seen(HTTPConnection):
        def close(self) -> None:
            super().close()
            seen.put(self)

    running = run_server(bare)
    running.server.ConnectionClass = Seen
    with running.connect() as client:
        client.stream.write(b"GET /?take HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        client.stream.read_to_end()
    assert not seen.get(timeout=DEADLINE).wfile.closed

"""What pywsgi does otherwise: each test fails when gevent has mended it, and its shim can go.

`gevent_head` stands in front of the first group, `PywsgiResponse` and `PywsgiRequest` of the
second, `gevent_hangup` and the server of the registry, `pywsgi_server`, of the third.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import gevent
import pytest
from tests.adapters.pywsgi_host import RunningServer

from turnout import WebSocketHandlerRegistry
from turnout.testing.http import read_response
from turnout_adapters.gevent import mount

Environ = dict[str, Any]
StartResponse = Callable[..., Any]


class Bare:
    """An application of pywsgi's, without turnout: it tells what it was asked."""

    def __init__(self) -> None:
        self.environs: list[Environ] = []
        self.ends: list[str] = []

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        self.environs.append(environ)
        answer: Callable[..., Iterable[bytes]] = getattr(
            self, environ["PATH_INFO"].strip("/") or "ok"
        )
        return answer(environ, start_response)

    def ok(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]

    def switch(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("101 Switching Protocols", [("Upgrade", "x")])(b"")
        return []

    def head(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [])(b"")
        return []

    def wait(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [])(b"waiting")
        try:
            gevent.sleep(60)
        except gevent.GreenletExit:
            self.ends.append("killed")
            raise
        return []


@pytest.fixture
def bare() -> Bare:
    return Bare()


@pytest.fixture
def server(bare: Bare) -> Iterator[RunningServer]:
    server = RunningServer(lambda: (mount(None, WebSocketHandlerRegistry()), bare))
    yield server
    server.close()


def fields_of(environ: Environ) -> dict[str, Any]:
    """Return the header fields of a request."""
    return {name: value for name, value in environ.items() if name.startswith("HTTP_")}


# What it takes for the head of a request: gevent_head


def test_a_head_that_ends_with_the_connection_is_a_request(server: RunningServer) -> None:
    client = server.connect()
    client.stream.write(b"GET / HTTP/1.1\r\nHost: x\r\nX-Cut: sho")
    client.stream.shut_down_writing()
    assert read_response(client.stream).body == b"ok"


def test_a_carriage_return_begins_another_field(server: RunningServer, bare: Bare) -> None:
    request = b"GET / HTTP/1.1\r\nHost: x\r\nX-Own: a\rX-Smuggled: b\r\n\r\n"
    assert server.connect().request(request).status == 200
    assert fields_of(bare.environs[0])["HTTP_X_SMUGGLED"] == "b"


def test_fields_behind_a_line_without_a_colon_are_lost(server: RunningServer, bare: Bare) -> None:
    request = b"GET / HTTP/1.1\r\nHost: x\r\nnonsense\r\nX-Own: a\r\n\r\n"
    assert server.connect().request(request).status == 200
    assert "HTTP_X_OWN" not in fields_of(bare.environs[0])


@pytest.mark.parametrize("line", [b"X-Own: a\0b", b"X-Own : a", b": a"])
def test_malformed_fields_are_taken(server: RunningServer, line: bytes) -> None:
    request = b"GET / HTTP/1.1\r\nHost: x\r\n" + line + b"\r\n\r\n"
    assert server.connect().request(request).status == 200


def test_more_than_a_hundred_fields_are_a_traceback(
    server: RunningServer, capsys: pytest.CaptureFixture[str]
) -> None:
    fields = b"".join(b"X-%d: x\r\n" % number for number in range(200))
    assert server.connect().request(b"GET / HTTP/1.1\r\n" + fields + b"\r\n").status == 400
    assert "Traceback" in capsys.readouterr().err


# What it does to a response, and does not tell of a request: PywsgiResponse, PywsgiRequest


def test_a_date_is_added_to_the_101(server: RunningServer) -> None:
    request = b"GET /switch HTTP/1.1\r\nHost: x\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"
    assert "Date" in server.connect().request(request).headers


def test_the_answer_to_head_ends_with_a_chunk(server: RunningServer) -> None:
    client = server.connect()
    client.stream.write(b"HEAD /head HTTP/1.1\r\nHost: x\r\n\r\n")
    read_response(client.stream, head_only=True)
    assert client.stream.read_exactly(5) == b"0\r\n\r\n"


def test_the_target_as_it_was_sent_is_not_told(server: RunningServer, bare: Bare) -> None:
    assert server.connect().fetch("/%6F%6B").status == 200
    assert "/%6F%6B" not in map(str, bare.environs[0].values())


def test_folded_lines_stay_folded(server: RunningServer, bare: Bare) -> None:
    request = b"GET / HTTP/1.1\r\nHost: x\r\nX-Own: a\r\n b\r\n\r\n"
    assert server.connect().request(request).status == 200
    assert "\n" in fields_of(bare.environs[0])["HTTP_X_OWN"]


# What it does not notice, and for what it does not wait: gevent_hangup, pywsgi_server


def test_an_application_does_not_learn_that_its_client_went(
    server: RunningServer, bare: Bare
) -> None:
    client = server.connect()
    client.stream.write(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
    assert client.stream.read_until(b"waiting")
    client.stream.vanish()
    # The server has seen the end of the one before when it answers the next, and says nothing.
    for _ in range(10):
        assert server.connect().fetch("/").status == 200
    assert not bare.ends


def test_patching_takes_epoll_away() -> None:
    program = (
        "import gevent.monkey as m; m.patch_all(); import select; print(hasattr(select, 'epoll'))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert printed.stdout == "False\n"


def test_slow_requests_are_waited_for(server: RunningServer) -> None:
    client = server.connect()
    client.stream.write(b"GET / HTTP/1.1\r\nHost: x\r\n")
    assert not client.stream.has_data(timeout=0.5)


def test_a_stop_kills_what_runs(server: RunningServer, bare: Bare) -> None:
    client = server.connect()
    client.stream.write(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
    assert client.stream.read_until(b"waiting")
    server.inside(lambda: server.server.stop(timeout=0))
    server.wait_until(lambda: bare.ends == ["killed"])

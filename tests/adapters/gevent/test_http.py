"""The views of plain HTTP on pywsgi: what a request says, how bodies come and go, who has left."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from turnout import BodyTooLargeError, ConnectionClosed, WebSocketHandlerRegistry
from turnout.testing.http import read_response
from turnout_adapters.gevent import GeventApplication, mount

if TYPE_CHECKING:
    from tests.adapters.gevent.conftest import RunServer

LIMIT = 1000


class Site:
    """Pages that show a request, and what became of their clients."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.noted = threading.Event()
        self.registry = WebSocketHandlerRegistry()
        for name in ("show", "body", "stream", "odd", "wait", "empty"):
            self.registry.add_http_handler(getattr(self, name), f"/{name}", f"/{name}/{{rest}}")

    def note(self, event: str) -> None:
        """Keep what happened for the test."""
        self.events.append(event)
        self.noted.set()

    def show(self, request: Any, response: Any) -> None:
        lines = [
            request.method,
            request.target,
            request.uri,
            request.scheme,
            request.headers.get("x-folded", ""),
            ",".join(request.headers.get_all("x-tag")),
            str(request.remote_address[1]),
            str(request.local_address),
        ]
        response.send(200, [], "\n".join(lines).encode())

    def body(self, request: Any, response: Any) -> None:
        try:
            body = request.read_body(LIMIT)
        except BodyTooLargeError:
            response.send(413)
        except ConnectionClosed:
            self.note("gone while reading")
            raise
        else:
            response.send(200, [], body)

    def stream(self, request: Any, response: Any) -> None:
        response.start(200, [("X-Streamed", "yes")])
        try:
            while True:
                response.write(bytes(100_000))
                if request.path_variables.get("rest") == "once":
                    break
        except ConnectionClosed:
            self.note(f"gone while writing: {response.disconnected}")
            raise
        response.finish()

    def odd(self, request: Any, response: Any) -> None:
        response.send(599, [], b"an unknown status")

    def empty(self, request: Any, response: Any) -> None:
        response.start(204)
        response.write(b"not sent")
        response.finish()

    def wait(self, request: Any, response: Any) -> None:
        response.start(200)
        there = not response.disconnected
        response.write(b"there" if there else b"gone")
        response.wait_disconnected()
        response.wait_disconnected()
        self.note(f"left: {response.disconnected}")


@pytest.fixture
def site() -> Site:
    return Site()


def behind_a_middleware(application: GeventApplication) -> tuple[GeventApplication, Any]:
    """Wrap `start_response`, so that pywsgi's handler is out of reach."""

    def middleware(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        def start(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
            return start_response(status, headers, *exc_info)

        return application(environ, start)

    return application, middleware


@pytest.fixture(params=["with handler", "environ only"])
def server(request: pytest.FixtureRequest, run_server: RunServer, site: Site) -> Any:
    if request.param == "with handler":
        return run_server(lambda: mount(None, site.registry))
    return run_server(lambda: behind_a_middleware(mount(None, site.registry)))


def test_what_a_request_says(server: Any) -> None:
    client = server.connect()
    response = client.fetch("/show/a%20b?c=%20d", headers={"X-Tag": "1", "X-Folded": "a"})
    method, target, uri, scheme, _, tag, port, local = response.body.decode().split("\n")
    assert (method, target, scheme, tag) == ("GET", "/show/a%20b?c=%20d", "http", "1")
    assert uri == f"http://{client.host}/show/a%20b?c=%20d"
    assert int(port) > 0
    assert local == str(server.address)


def test_what_only_pywsgis_handler_knows(run_server: RunServer, site: Site) -> None:
    client = run_server(lambda: mount(None, site.registry)).connect()
    head = (
        b"GET http://example.org/show?q HTTP/1.1\r\nHost: example.org\r\nX-Tag: one\r\n"
        b"X-Folded: a\r\n b\r\nX-Tag: two\r\n\r\n"
    )
    lines = client.request(head).body.decode().split("\n")
    assert lines[1:3] == ["/show?q", "http://example.org/show?q"]
    assert lines[4:6] == ["a b", "one,two"]
    assert client.request(b"GET http://example.org HTTP/1.1\r\nHost: x\r\n\r\n").status == 404


@pytest.mark.parametrize("size", [0, 1, LIMIT])
def test_a_body_up_to_its_limit(server: Any, size: int) -> None:
    client = server.connect()
    response = client.fetch("/body", method="POST", body=bytes(size))
    assert (response.status, len(response.body)) == (200, size)


def test_a_chunked_body(server: Any) -> None:
    head = b"POST /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    response = server.connect().request(head + b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n")
    assert response.body == b"hello world"


def test_a_body_over_its_limit_is_refused_and_no_next_request(server: Any) -> None:
    client = server.connect()
    assert client.fetch("/body", method="POST", body=bytes(LIMIT + 1)).status == 413
    chunks = b"3e9\r\n" + bytes(LIMIT + 1) + b"\r\n0\r\n\r\n"
    head = b"POST /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert client.request(head + chunks).status == 413
    assert client.fetch("/show").status == 200


def test_chunks_that_are_none(server: Any) -> None:
    head = b"POST /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    response = server.connect().request(head + b"zz\r\nhello\r\n")
    assert response.status == 400
    assert response.body == b"The request body is malformed."


def test_a_request_with_an_upgrade_header_has_its_body_too(server: Any) -> None:
    """To such a request pywsgi gives the bare reader as `wsgi.input`."""
    client = server.connect()
    headers = {"Connection": "Upgrade"}
    response = client.fetch("/body", method="POST", headers=headers, body=b"hello")
    assert (response.status, response.body) == (200, b"hello")


def test_a_client_that_resets_while_it_sends(server: Any, site: Site) -> None:
    client = server.connect()
    client.stream.write(b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
    client.stream.vanish()
    assert site.noted.wait(10)
    assert site.events == ["gone while reading"]


def test_a_streamed_body_and_the_next_request(server: Any) -> None:
    client = server.connect()
    response = client.fetch("/stream/once")
    assert (response.headers["X-Streamed"], len(response.body)) == ("yes", 100_000)
    assert client.fetch("/show").status == 200


def test_responses_without_a_body(run_server: RunServer, site: Site) -> None:
    client = run_server(lambda: mount(None, site.registry)).connect()
    for head in (b"HEAD /stream/once", b"HEAD /show", b"GET /empty"):
        client.stream.write(head + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        response = read_response(client.stream, head_only=True)
        assert response.status in {200, 204}
    assert client.fetch("/odd").body == b"an unknown status"


def test_a_client_that_goes_while_it_is_written_to(server: Any, site: Site) -> None:
    client = server.connect()
    client.stream.write(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
    read_response(client.stream, head_only=True)
    client.stream.vanish()
    assert site.noted.wait(10)
    assert site.events == ["gone while writing: True"]
    assert server.error_log.getvalue() == ""


@pytest.mark.parametrize("more", [b"", b"GET /show HTTP/1.1\r\nHost: x\r\n\r\n"])
def test_a_client_that_goes_while_it_is_waited_for(server: Any, site: Site, more: bytes) -> None:
    client = server.connect()
    client.stream.write(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n" + more)
    client.stream.read_until(b"there")
    assert site.events == []
    client.stream.close()
    assert site.noted.wait(10)
    assert site.events == ["left: True"]

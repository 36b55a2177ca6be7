"""A WSGI session store around turnout on gevent: the same user over HTTP and WebSocket."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import pytest
from websockets.sync.client import connect

from turnout.handshake.http_session import SESSION_ID_ATTRIBUTE

Start: TypeAlias = Callable[[str], int]

PROGRAM = """
import json
import sys

from beaker.middleware import SessionMiddleware
from gevent.pywsgi import WSGIServer
from turnout import HttpSessionHandshakeInterceptor, WebSocketHandlerRegistry
from turnout_adapters.gevent import mount
from turnout_adapters.http_sessions import wsgi_environ

registry = WebSocketHandlerRegistry()
source = wsgi_environ("beaker.session", save=lambda session: session.save())
interceptor = HttpSessionHandshakeInterceptor(
    lambda name: not name.startswith("_"), source=source, create_session={create}
)


@registry.websocket("/whoami", interceptors=[interceptor])
def whoami(session):
    session.send(json.dumps(session.attributes))


def login(environ, start_response):
    environ["beaker.session"]["user"] = "ada"
    environ["beaker.session"].save()
    start_response("200 OK", [])
    return [environ["beaker.session"].id.encode()]


application = SessionMiddleware(mount(login, registry), {{"session.type": "memory"}})
server = WSGIServer(("127.0.0.1", 0), application, log=None)
server.start()
print(server.server_port, flush=True)
server.serve_forever()
"""


@pytest.fixture
def start() -> Iterator[Start]:
    """Return a function that starts the program and gives its port."""
    processes: list[subprocess.Popen[str]] = []

    def start(create: str) -> int:
        program = [sys.executable, "-c", PROGRAM.format(create=create)]
        process = subprocess.Popen(program, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout is not None
        return int(process.stdout.readline())

    yield start
    for process in processes:
        process.kill()
        process.communicate(timeout=10)


def whoami(port: int, cookie: str | None = None) -> tuple[dict[str, Any], str | None]:
    """Connect as a browser with this cookie; return the attributes, and the cookie it gets."""
    headers = {"Cookie": cookie} if cookie else {}
    url = f"ws://127.0.0.1:{port}/whoami"
    with connect(url, additional_headers=headers, open_timeout=10, proxy=None) as client:
        assert client.response is not None
        attributes: dict[str, Any] = json.loads(client.recv(timeout=10))
        cookies = client.response.headers.get_all("Set-Cookie")
        assert len(cookies) <= 1
        return attributes, cookies[0].partition(";")[0] if cookies else None


def test_the_session_of_the_application(start: Start) -> None:
    port = start("False")
    http_client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    http_client.request("GET", "/login")
    response = http_client.getresponse()
    cookie = str(response.getheader("Set-Cookie")).partition(";")[0]
    identity = response.read().decode()
    http_client.close()
    assert whoami(port, cookie) == ({"user": "ada", SESSION_ID_ATTRIBUTE: identity}, None)
    assert whoami(port)[0] == {}


def test_a_session_is_created_on_demand_and_found_again(start: Start) -> None:
    port = start("True")
    created, cookie = whoami(port)
    assert list(created) == [SESSION_ID_ATTRIBUTE]
    assert cookie is not None
    assert whoami(port, cookie) == (created, None)

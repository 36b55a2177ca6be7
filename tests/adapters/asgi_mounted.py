"""turnout's ASGI application under a server's own command line; imported for each server.

The module that imports these tests names its server in `HOST`, and what that one takes away in
`DENIES` (refusals keep their status), `TOLD` (the code of a peer's close with 4321) and `ENDS`
(the code that sessions are closed with when the server ends).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.adapters.asgi_host import Host

from turnout import ConfigurationError, WebSocketHandlerRegistry
from turnout_adapters.asgi import AsgiStrategy, mount

SOURCE = """
import asyncio
import os

from turnout import HandshakeInterceptor, HandshakeRefused, TextWebSocketHandler
from turnout import WebSocketHandlerRegistry
from turnout_adapters.asgi import mount

registry = WebSocketHandlerRegistry()
called_in = {}


def report(*what):
    with open(os.environ["REPORT"], "a") as file:
        print(*what, file=file, flush=True)


class Echo(TextWebSocketHandler):
    sub_protocols = ("chat.v1",)

    async def handle_text_message(self, session, message):
        if message.payload == "close":
            await session.close(4001, "bye")
        elif message.payload == "cancel":
            called_in["/echo/" + session.path_variables["name"]].cancel()
        else:
            await session.send(f"{session.accepted_protocol} {message.payload}")

    async def after_connection_closed(self, session, status):
        report("closed", status.code)


class NoToken(HandshakeInterceptor):
    def before_handshake(self, request, response, handler, attributes):
        raise HandshakeRefused(401, [("X-Why", "no token")], b"who are you?")


registry.add_handler(Echo(), "/echo/{name}").set_options(max_text_size=1000)
registry.add_handler(Echo(), "/private").add_interceptors(NoToken())


async def answer(request, response):
    body = await request.read_body(1000)
    await response.start(200, [("Content-Type", "text/plain")])
    for piece in (body, b" and ", request.query_string.encode()):
        await response.write(piece)
    await response.finish()


registry.add_http_handler(answer, "/body")


async def inner(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            event = await receive()
            report(event["type"])
            await send({"type": event["type"] + ".complete"})
            if event["type"] == "lifespan.shutdown":
                return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"the application's own page"})


mounted = mount(inner, registry)


def watching(path, call):
    async def watched(*event):
        told = await call(*event)
        report("event", path, (told or event[0])["type"])
        return told

    return watched if path == "/echo/watched" else call


async def app(scope, receive, send):
    if scope["type"] != "websocket":
        return await mounted(scope, receive, send)
    path = scope["path"]
    called_in[path] = asyncio.current_task()
    try:
        await mounted(scope, watching(path, receive), watching(path, send))
    except asyncio.CancelledError:
        report("cancelled", path)
"""


@pytest.fixture(scope="module")
def host(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Host]:
    """The server, with turnout in front of an application."""
    module: ModuleType = request.module
    with Host(module.HOST, tmp_path_factory.mktemp("hosted"), SOURCE) as running:
        yield running


def test_messages(host: Host) -> None:
    with host.connect("/echo/one", protocols="other, chat.v1") as client:
        client.send_text("hello")
        assert client.read_text() == "chat.v1 hello"
        client.send_text("x" * 500)
        assert client.read_text() == "chat.v1 " + "x" * 500


def test_other_paths_are_the_applications(host: Host) -> None:
    with host.connect() as client:
        assert client.fetch("/anything").body == b"the application's own page"


def test_http_handler_with_a_body(host: Host) -> None:
    with host.connect() as client:
        response = client.fetch("/body?x=1", method="POST", body=b"sent")
        assert (response.status, response.body) == (200, b"sent and x=1")
    with host.connect() as client:
        assert client.fetch("/body", method="POST", body=b"x" * 1001).status == 413


def test_refusal(request: pytest.FixtureRequest, host: Host) -> None:
    with host.connect() as client:
        response = client.handshake("/private")
    if getattr(request.module, "DENIES", True):
        assert (response.status, response.body) == (401, b"who are you?")
        assert response.headers["X-Why"] == "no token"
    else:
        assert response.status == 403


def test_foreign_origin(host: Host) -> None:
    with host.connect() as client:
        assert client.handshake("/echo/one", origin="https://evil.example").status == 403


def test_close_by_the_handler(host: Host) -> None:
    with host.connect("/echo/one") as client:
        client.send_text("close")
        assert client.read_close().code == 4001


def test_close_by_the_peer(request: pytest.FixtureRequest, host: Host) -> None:
    with host.connect("/echo/one") as client:
        client.send_close(4321, "why")
        assert client.read_close().code is not None
    host.wait_for(f"closed {getattr(request.module, 'TOLD', 4321)}")


def test_a_middleware_sees_every_event(host: Host) -> None:
    with host.connect("/echo/watched") as client:
        client.send_text("hello")
        client.read_text()
        client.send_close(1000)
        client.read_close()
    report = host.wait_for("event /echo/watched websocket.disconnect")
    seen = [line.split()[-1] for line in report.splitlines() if line.startswith("event ")]
    assert seen == [
        f"websocket.{kind}" for kind in ("connect", "accept", "receive", "send", "disconnect")
    ]


def test_a_cancelled_application_closes_its_session(host: Host) -> None:
    with host.connect("/echo/cancelled") as client:
        client.send_text("hello")
        client.read_text()
        client.send_text("cancel")
        assert client.read_close().code == 1001
    host.wait_for("cancelled /echo/cancelled")


def test_message_over_the_limit(host: Host) -> None:
    with host.connect("/echo/one") as client:
        client.send_text("x" * 1001)
        assert client.read_close().code == 1009


@pytest.mark.parametrize("path", ["/echo/one", "/echo/watched"], ids=["bare", "middleware"])
def test_end_of_the_server(request: pytest.FixtureRequest, tmp_path: Path, path: str) -> None:
    with Host(request.module.HOST, tmp_path, SOURCE) as host:
        with host.connect(path) as client:
            client.send_text("hello")
            client.read_text()
            host.process.terminate()
            assert client.read_close().code == getattr(request.module, "ENDS", 1001)
        host.process.wait(20)
        host.wait_for("closed")


def check_not_mounted(strategy: AsgiStrategy) -> None:
    """Check that a strategy which promises what its own server does is for no other."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("nothing is served")

    with pytest.raises(ConfigurationError, match=type(strategy).__name__):
        mount(application, WebSocketHandlerRegistry(), strategy)

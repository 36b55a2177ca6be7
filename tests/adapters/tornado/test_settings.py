"""`configure`: settings of Tornado's server and application, by its names, each with its effect."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tornado.web import RequestHandler

from turnout import (
    ConfigurationError,
    ServerSettings,
    WebSocketHandlerRegistry,
    WebSocketOptions,
    plugins,
)
from turnout.testing.client import RawClient


def serve(
    variant: str,
    visit: Callable[[RawClient], None],
    registry: WebSocketHandlerRegistry | None = None,
    place: dict[str, Any] | None = None,
    **native: Any,
) -> None:
    """Serve a registry in this thread while another one visits it."""
    strategy = plugins.create("tornado", variant).configure(**native)
    failures: list[BaseException] = []

    def run(address: Any) -> None:
        try:
            with RawClient(address) as client:
                visit(client)
        except BaseException as error:  # raised in the test's thread below
            failures.append(error)
        os.kill(os.getpid(), signal.SIGTERM)

    visitors: list[threading.Thread] = []

    def announce(address: Any) -> None:
        visitors.append(threading.Thread(target=run, args=(address,)))
        visitors[0].start()

    settings = ServerSettings(**{"port": 0, **(place or {})}, announce=announce)
    strategy.serve(registry or WebSocketHandlerRegistry(), settings)
    visitors[0].join(10)
    for failure in failures:
        raise failure


def posting() -> WebSocketHandlerRegistry:
    registry = WebSocketHandlerRegistry()

    async def post(request: Any, response: Any) -> None:
        facts = f"{request.scheme} {len(await request.read_body(1000))}"
        await response.send(200, body=facts.encode())

    registry.add_http_handler(post, "/post")
    return registry


def test_limit_of_the_server_holds_too(variant: str) -> None:
    def visit(client: RawClient) -> None:
        assert client.fetch("/post", method="POST", body=bytes(10)).body == b"http 10"
        assert client.fetch("/post", method="POST", body=bytes(11)).status == 400

    serve(variant, visit, posting(), max_body_size=10)


def test_scheme_of_a_server_behind_a_tls_proxy(variant: str) -> None:
    def visit(client: RawClient) -> None:
        assert client.fetch("/post", method="POST", body=b"").body == b"https 0"

    serve(variant, visit, posting(), protocol="https")


def test_forwarded_headers_are_core_s_to_judge(variant: str) -> None:
    def visit(client: RawClient) -> None:
        forged = {"X-Scheme": "https"}
        assert client.fetch("/post", method="POST", body=b"", headers=forged).body == b"http 0"

    serve(variant, visit, posting(), xheaders=True)


def test_own_idle_timeout(variant: str) -> None:
    def visit(client: RawClient) -> None:
        assert client.fetch("/").status == 404
        client.expect_end()

    serve(variant, visit, idle_connection_timeout=0.1)


def test_handshake_timeout_may_be_none(variant: str) -> None:
    registry = WebSocketHandlerRegistry(options=WebSocketOptions(handshake_timeout=None))

    def visit(client: RawClient) -> None:
        assert not client.stream.has_data(timeout=0.2)
        assert client.fetch("/").status == 404

    serve(variant, visit, registry)


def test_settings_of_the_application(variant: str, tmp_path: Path) -> None:
    (tmp_path / "page.txt").write_text("static")

    class Missing(RequestHandler):
        def prepare(self) -> None:
            self.set_status(410)
            self.finish()

    def visit(client: RawClient) -> None:
        assert client.fetch("/static/page.txt").body == b"static"
        assert client.fetch("/nowhere").status == 410

    serve(variant, visit, static_path=str(tmp_path), default_handler_class=Missing)


def test_loop_factory(variant: str) -> None:
    made: list[asyncio.AbstractEventLoop] = []

    def factory() -> asyncio.AbstractEventLoop:
        made.append(asyncio.SelectorEventLoop())
        return made[0]

    serve(variant, lambda client: None, loop_factory=factory)
    assert len(made) == 1


def test_host_of_several_addresses(variant: str) -> None:
    def visit(client: RawClient) -> None:
        port = client.address[1]
        for family, *_, place in socket.getaddrinfo("localhost", port, type=socket.SOCK_STREAM):
            assert family in (socket.AF_INET, socket.AF_INET6)
            with RawClient((str(place[0]), int(place[1]))) as other:
                assert other.fetch("/").status == 404

    serve(variant, visit, place={"host": "localhost"})


def test_socket_that_a_dead_server_left_is_replaced(variant: str, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))

    def visit(client: RawClient) -> None:
        assert client.fetch("/").status == 404

    serve(variant, visit, place={"unix": path})
    assert not path.exists()


def test_file_that_is_no_socket_is_kept(variant: str, tmp_path: Path) -> None:
    path = tmp_path / "notes"
    path.write_text("precious")
    with pytest.raises(OSError, match="in use"):
        serve(variant, lambda client: None, place={"unix": path})
    assert path.read_text() == "precious"


def test_unknown_setting_has_the_nearest_name(variant: str) -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'max_body_size'"):
        plugins.create("tornado", variant).configure(max_bodysize=1)
    with pytest.raises(ConfigurationError, match=r"it has .*xheaders"):
        plugins.create("tornado", variant).configure(q=1)


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("websocket_ping_interval", "the option ping_interval"),
        ("websocket_max_message_size", "the options max_text_size and max_binary_size"),
        ("ssl_options", "tls_cert and tls_key"),
    ],
)
def test_setting_that_is_an_option(variant: str, name: str, instead: str) -> None:
    with pytest.raises(ConfigurationError, match=f"use {instead}"):
        plugins.create("tornado", variant).configure(**{name: 1})

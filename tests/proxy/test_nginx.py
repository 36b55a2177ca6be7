"""Every engine behind nginx, as it is usually configured for WebSockets, with TLS and without."""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.proxy.nginx import Nginx
from tests.threaded_client import Client, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from turnout import plugins
from turnout.http import Address
from turnout.testing.certificates import Certificate
from turnout.testing.client import RawClient
from turnout.testing.server import Server, ServerCommand

HERE = Path(__file__).parent
TIMEOUT = 20.0
Engine = tuple[str, str | None]


def engines(config: pytest.Config) -> list[Engine]:
    """Return the engine that the command line names, or every strategy of every engine."""
    named: str | None = config.getoption("--engine", default=None)
    if named is not None:
        return [(named, config.getoption("--strategy", default=None))]
    return [
        (name, variant)
        for name in plugins.names()
        for variant in plugins.find(name).load().variants or (None,)
    ]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "backend" in metafunc.fixturenames:
        chosen = engines(metafunc.config)
        ids = ["-".join(filter(None, one)) for one in chosen]
        metafunc.parametrize("backend", chosen, ids=ids, indirect=True, scope="module")


def command(engine: Engine, trusted: str) -> ServerCommand:
    path = os.pathsep.join(filter(None, (str(HERE), os.environ.get("PYTHONPATH"))))
    return ServerCommand(
        engine=engine[0],
        strategy=engine[1],
        subject="behind_proxy:registry",
        environment={"PYTHONPATH": path, "TRUSTED_PROXIES": trusted},
    )


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate.make(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def backend(request: pytest.FixtureRequest) -> Iterator[Server]:
    with Server(command(request.param, trusted="127.0.0.1")) as running:
        yield running
        running.stop().check()


@pytest.fixture(scope="module")
def start_nginx(
    requires: Callable[[str], Path],
    certificate: Certificate,
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[Address], Nginx]:
    program = requires("nginx")
    return lambda backend: Nginx(program, tmp_path_factory.mktemp("nginx"), backend, certificate)


class Front(NamedTuple):
    """nginx as clients see it."""

    address: tuple[str, int]
    tls: ssl.SSLContext | None

    @property
    def authority(self) -> str:
        return f"{self.address[0]}:{self.address[1]}"

    @property
    def origin(self) -> str:
        return f"{'http' if self.tls is None else 'https'}://{self.authority}"

    def open(self, path: str, **settings: Any) -> Client:
        url = f"{'ws' if self.tls is None else 'wss'}://{self.authority}{path}"
        return connect(url, ssl=self.tls, max_size=None, open_timeout=TIMEOUT, **settings)

    def status(self, path: str, **fields: Any) -> int:
        with RawClient(self.address, tls=self.tls) as client:
            return client.handshake(path, **fields).status


@pytest.fixture(scope="module")
def nginx(start_nginx: Callable[[Address], Nginx], backend: Server) -> Iterator[Nginx]:
    with start_nginx(backend.address) as running:
        yield running


@pytest.fixture(params=["ws", "wss"])
def front(request: pytest.FixtureRequest, nginx: Nginx, certificate: Certificate) -> Front:
    if request.param == "ws":
        return Front(nginx.plain, None)
    return Front(nginx.secure, certificate.client_context())


both_colours = pytest.mark.parametrize("colour", ["async", "plain"])


@both_colours
def test_echo(front: Front, colour: str) -> None:
    with front.open(f"/{colour}") as client:
        for message in ("hello", "", "emoji 👋", b"\x00\xff"):
            client.send(message)
            assert client.recv(TIMEOUT) == message
        client.ping()


@both_colours
def test_large_messages(front: Front, colour: str) -> None:
    with front.open(f"/{colour}") as client:
        for message in ("x" * 1024 * 1024, b"y" * 1024 * 1024):
            client.send(message)
            assert client.recv(TIMEOUT) == message


@both_colours
def test_close_by_the_handler(front: Front, colour: str) -> None:
    with front.open(f"/{colour}") as client:
        client.send("close")
        with pytest.raises(ConnectionClosed):
            client.recv(TIMEOUT)
        assert (client.close_code, client.close_reason) == (4001, "as you wish")


def test_close_by_the_client(front: Front, backend: Server) -> None:
    reason = f"over {front.origin}"
    with front.open("/last-word") as client:
        client.close(4321, reason)
        assert (client.close_code, client.close_reason) == (4321, reason)
    capabilities = plugins.load(backend.command.engine, backend.command.strategy).capabilities
    wait_for_last_word(front, f"4321 {reason if capabilities.close_details else ''}")


def wait_for_last_word(front: Front, expected: str) -> None:
    """Ask until the handler has been told: some servers answer a close frame before that."""
    deadline = time.monotonic() + TIMEOUT
    words: list[str] = []
    while expected not in words:
        assert time.monotonic() < deadline, words
        with RawClient(front.address, tls=front.tls) as http:
            words = http.fetch("/last-words").text.split("\n")


def test_own_origin_as_the_client_sees_it(front: Front) -> None:
    with front.open("/async", origin=front.origin) as client:
        client.send("same origin")
        assert client.recv(TIMEOUT) == "same origin"


def test_foreign_origins(front: Front, backend: Server) -> None:
    behind = "http://{}:{}".format(*backend.address)
    other_scheme = (
        front.origin.replace("https", "http") if front.tls else f"https://{front.authority}"
    )
    for origin in ("https://foreign.example", behind, other_scheme):
        assert front.status("/async", origin=origin) == 403


def test_refusal_passes_whole(front: Front) -> None:
    with pytest.raises(InvalidStatus) as refused:
        front.open("/refused")
    response = refused.value.response
    assert (response.status_code, response.body) == (401, b"token needed")
    assert response.headers["WWW-Authenticate"] == "Bearer"


def test_forwarded_headers_of_strangers_do_not_count(
    backend: Server, start_nginx: Callable[[Address], Nginx]
) -> None:
    engine = (backend.command.engine, backend.command.strategy)
    with Server(command(engine, trusted="10.1.2.3")) as server:
        with start_nginx(server.address) as nginx:
            front = Front(nginx.plain, None)
            assert front.status("/async") == 101
            assert front.status("/async", origin=front.origin) == 403
        server.stop().check()


def test_shutdown_is_told_through_the_proxy(
    backend: Server, start_nginx: Callable[[Address], Nginx]
) -> None:
    with Server(backend.command) as server, start_nginx(server.address) as nginx:
        with Front(nginx.plain, None).open("/async") as client:
            server.signal()
            with pytest.raises(ConnectionClosed):
                client.recv(TIMEOUT)
            assert client.close_code == 1001
        server.wait().check()

"""A Tornado application on a loop of its own, and clients that look at it from outside."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

import pytest
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPServerConnectionDelegate
from tornado.netutil import bind_sockets

from turnout import WebSocketHandlerRegistry, WebSocketService, plugins
from turnout.testing.certificates import Certificate
from turnout.testing.client import RawClient
from turnout_adapters.tornado import TornadoStrategy, mount

T = TypeVar("T")
TIMEOUT = 15.0


class RunningApp:
    """An application that serves on a free port, in a thread of its own.

    `build` is called inside the loop, as `mount` wants it, and returns the application.
    """

    def __init__(
        self, build: Callable[[], HTTPServerConnectionDelegate], tls: Certificate | None = None
    ) -> None:
        self.clients: list[RawClient] = []
        self.tls = tls
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        try:
            self.call(self._start(build))
        except BaseException:
            self._stop_loop()
            raise

    async def _start(self, build: Callable[[], HTTPServerConnectionDelegate]) -> None:
        context = None
        if self.tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.tls.chain, self.tls.key)
        self.server = HTTPServer(build(), ssl_options=context)
        (listening,) = bind_sockets(0, "127.0.0.1")
        self.server.add_sockets([listening])
        self.address: tuple[str, int] = listening.getsockname()

    @property
    def url(self) -> str:
        """Where it is, for clients that take a URL."""
        return f"{'ws' if self.tls is None else 'wss'}://{self.address[0]}:{self.address[1]}"

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the loop of the application."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(TIMEOUT)

    def connect(self, target: str | None = None, **fields: Any) -> RawClient:
        """Return a client, its WebSocket open when a target is given."""
        context = None if self.tls is None else self.tls.client_context()
        client = RawClient(self.address, timeout=TIMEOUT, tls=context)
        self.clients.append(client)
        if target is not None:
            client.open(target, **fields)
        return client

    async def _close(self) -> None:
        self.server.stop()
        await self.server.close_all_connections()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        if rest:
            await asyncio.wait(rest, timeout=TIMEOUT)

    def close(self) -> None:
        """Leave nothing behind."""
        for client in self.clients:
            client.stream.close()
        try:
            self.call(self._close())
        finally:
            self._stop_loop()

    def _stop_loop(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(TIMEOUT)
        self.loop.close()


RunApp = Callable[..., RunningApp]
Mounted = Callable[[Any, WebSocketHandlerRegistry], WebSocketService]


@pytest.fixture
def run_app() -> Iterator[RunApp]:
    """Return a function that starts an application."""
    running: list[RunningApp] = []

    def start(build: Callable[[], Any], tls: Certificate | None = None) -> RunningApp:
        running.append(RunningApp(build, tls))
        return running[-1]

    yield start
    for one in running:
        one.close()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate for 127.0.0.1."""
    return Certificate.make(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(params=["plain", "tls"])
def tls(request: pytest.FixtureRequest, certificate: Certificate) -> Certificate | None:
    """The certificate, and once none: what asks for it runs with TLS and without."""
    return certificate if request.param == "tls" else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what asks for a `variant` on both, or on the one that `--strategy` names."""
    if "variant" in metafunc.fixturenames:
        chosen = metafunc.config.getoption("--strategy", default=None)
        metafunc.parametrize("variant", [chosen] if chosen else ["standard", "native"])


@pytest.fixture
def mounted(variant: str) -> Mounted:
    """Return `mount` with the strategy under test."""

    def mount_here(app: Any, registry: WebSocketHandlerRegistry) -> WebSocketService:
        strategy = plugins.create("tornado", variant)
        assert isinstance(strategy, TornadoStrategy)
        return mount(app, registry, strategy=strategy)

    return mount_here

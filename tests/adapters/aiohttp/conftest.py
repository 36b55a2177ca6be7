"""An aiohttp application on a loop of its own, and clients that look at it from outside."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

import pytest
from aiohttp import web

from turnout import WebSocketHandlerRegistry, WebSocketService, plugins
from turnout.testing.client import RawClient
from turnout_adapters.aiohttp import AiohttpStrategy, mount

T = TypeVar("T")
TIMEOUT = 15.0


class RunningApp:
    """An application that serves on a free port, in a thread of its own."""

    def __init__(self, app: web.Application, **settings: Any) -> None:
        self.app = app
        self.clients: list[RawClient] = []
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        self.runner = web.AppRunner(app, **settings)
        self.stopped = False
        self.address = self.call(self._start())

    async def _start(self) -> tuple[str, int]:
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        host, port = self.runner.addresses[0]
        return host, port

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the loop of the application."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(TIMEOUT)

    def connect(self, target: str | None = None, **fields: Any) -> RawClient:
        """Return a client, its WebSocket open when a target is given."""
        client = RawClient(self.address, timeout=TIMEOUT)
        self.clients.append(client)
        if target is not None:
            client.open(target, **fields)
        return client

    def stop(self) -> None:
        """Do what a host does at its end."""
        if not self.stopped:
            self.stopped = True
            self.call(self.runner.cleanup())

    async def _cancel_tasks(self) -> None:
        """Do what `asyncio.run` does at its end: aiohttp may still wait for the rest of a body."""
        await asyncio.sleep(0)  # transports that were closed are lost one turn later
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def close(self) -> None:
        """Leave nothing behind."""
        for client in self.clients:
            client.stream.close()
        try:
            self.stop()
            self.call(self._cancel_tasks())
        finally:
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join(TIMEOUT)
            self.loop.close()


RunApp = Callable[..., RunningApp]
Mount = Callable[[web.Application, WebSocketHandlerRegistry], WebSocketService]


@pytest.fixture
def run_app() -> Iterator[RunApp]:
    """Return a function that starts an application; settings are those of `web.AppRunner`."""
    running: list[RunningApp] = []

    def start(app: web.Application, **settings: Any) -> RunningApp:
        running.append(RunningApp(app, **settings))
        return running[-1]

    yield start
    for one in running:
        one.close()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what asks for a `variant` on both, or on the one that `--strategy` names."""
    if "variant" in metafunc.fixturenames:
        chosen = metafunc.config.getoption("--strategy", default=None)
        metafunc.parametrize("variant", [chosen] if chosen else ["standard", "native"])


@pytest.fixture
def mounted(variant: str) -> Mount:
    """Return `mount` with the strategy under test."""

    def mount_here(app: web.Application, registry: WebSocketHandlerRegistry) -> WebSocketService:
        strategy = plugins.create("aiohttp", variant)
        assert isinstance(strategy, AiohttpStrategy)
        return mount(app, registry, strategy=strategy)

    return mount_here

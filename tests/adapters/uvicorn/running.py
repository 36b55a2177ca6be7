"""uvicorn on a loop of its own, in a thread, and clients that look at it from outside."""

from __future__ import annotations

import asyncio
import threading
import warnings
from typing import Any

import uvicorn

from turnout.testing.client import RawClient

TIMEOUT = 15.0
STANDARD = "turnout_adapters.uvicorn:WebSocketProtocol"


class RunningServer(uvicorn.Server):
    """A server that says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = threading.Event()

    async def startup(self, sockets: Any = None) -> None:
        try:
            await super().startup(sockets)
        finally:
            self.listens.set()


class RunningUvicorn:
    """An application on a free port; `settings` are those of `uvicorn.Config`."""

    def __init__(self, app: Any, **settings: Any) -> None:
        defaults = {"host": "127.0.0.1", "port": 0, "log_config": None, "ws": STANDARD}
        self.config = uvicorn.Config(app, **{**defaults, **settings})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # uvicorn and websockets deprecate the legacy one
            self.config.load()
        self.server = RunningServer(self.config)
        self.clients: list[RawClient] = []
        self.errors: list[dict[str, Any]] = []
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        assert self.server.listens.wait(TIMEOUT)
        assert self.server.started, "uvicorn has not started"
        host, port = self.server.servers[0].sockets[0].getsockname()[:2]
        self.address = (host, port)

    def _serve(self) -> None:
        with asyncio.Runner(loop_factory=self.config.get_loop_factory()) as runner:
            self.loop = runner.get_loop()
            self.loop.set_exception_handler(lambda _, context: self.errors.append(context))
            runner.run(self.server.serve())

    def connect(self, target: str | None = None, **fields: Any) -> RawClient:
        """Return a client, its WebSocket open when a target is given."""
        client = RawClient(self.address, timeout=TIMEOUT)
        self.clients.append(client)
        if target is not None:
            client.open(target, **fields)
        return client

    def ask_to_stop(self) -> None:
        """Do what a signal does."""
        self.server.should_exit = True

    def close(self) -> None:
        """Leave nothing behind; raise `AssertionError` for an error that the loop was told of."""
        for client in self.clients:
            client.stream.close()
        self.ask_to_stop()
        self._thread.join(TIMEOUT)
        assert not self._thread.is_alive()
        assert not self.server.server_state.connections
        assert not self.server.server_state.tasks
        assert not self.errors

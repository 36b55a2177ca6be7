"""A session on a real socket whose handler runs in a thread of its own, and the peer of it."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from turnout import (
    CloseStatus,
    Headers,
    StreamWebSocketHandler,
    Upgrade,
    WebSocketHandlerRegistry,
    WebSocketOptions,
    WebSocketService,
)
from turnout.testing.client import RawClient
from turnout_adapters.wsproto import WsprotoStrategy
from turnout_compat.threads_runtime import ThreadsRuntime
from turnout_compat.threads_takeover import serve_session

DEADLINE = 20.0


class Hosted:
    """A registry and its service on plain threads, as a threaded server would have them."""

    def __init__(self, tls: ssl.SSLContext | None = None, **options: Any) -> None:
        self.registry = WebSocketHandlerRegistry(options=WebSocketOptions(**options))
        self.service = WebSocketService(self.registry, WsprotoStrategy(), ThreadsRuntime.shared())
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[tuple[RawClient, socket.socket, threading.Thread]] = []

    def connect(self, handler: Any, **settings: Any) -> RawClient:
        """Return the peer of a new session with a handler."""
        receive_buffer = settings.pop("receive_buffer", None)
        prepared = self.registry.add_handler(handler, f"/{len(self._open)}", **settings).prepared
        upgrade = Upgrade(
            uri="ws://test/",
            headers=Headers(),
            path_variables={},
            attributes={},
            principal=None,
            sub_protocol=None,
            extensions=(),
            deflate=None,
            response_headers=[],
            handler=prepared,
            options=self.registry.options,
            service=self.service,
        )
        accepted: list[socket.socket] = []
        accepting = threading.Thread(target=lambda: accepted.append(self._accept()))
        accepting.start()
        client = RawClient(
            self._listener.getsockname(),
            timeout=DEADLINE,
            tls=None if self._tls is None else trusting(),
            receive_buffer=receive_buffer,
        )
        accepting.join(DEADLINE)
        near = accepted[0]
        thread = threading.Thread(target=serve_session, args=(upgrade, near), daemon=True)
        self._open.append((client, near, thread))
        thread.start()
        return client

    def _accept(self) -> socket.socket:
        near, _ = self._listener.accept()
        return near if self._tls is None else self._tls.wrap_socket(near, server_side=True)

    @property
    def thread(self) -> threading.Thread:
        """The thread of the newest connection."""
        return self._open[-1][2]

    def close(self) -> None:
        """Leave nothing behind; every thread must end."""
        for client, _, _ in self._open:
            client.stream.close()
        for _, near, thread in self._open:
            thread.join(DEADLINE)
            assert not thread.is_alive(), "a thread did not end with its connection"
            near.close()
        self._listener.close()


def trusting() -> ssl.SSLContext:
    """Return the TLS context of a client that takes any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@contextmanager
def hosted(**options: Any) -> Iterator[Hosted]:
    """Host sessions within a block."""
    running = Hosted(**options)
    try:
        yield running
    finally:
        running.close()


class Plain(StreamWebSocketHandler):
    """Runs a function as a plain handler; keeps what it raised and how the session ended."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function
        self.error: BaseException | None = None
        self.codes: list[int] = []
        self.closed = threading.Event()

    def handle(self, session: Any) -> None:
        try:
            self.function(session)
        except BaseException as error:
            self.error = error
            raise

    def after_connection_closed(self, session: Any, status: CloseStatus) -> None:
        self.codes.append(status.code)
        self.closed.set()


class Driven(StreamWebSocketHandler):
    """The same for a coroutine function."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function
        self.error: BaseException | None = None
        self.codes: list[int] = []
        self.closed = threading.Event()

    async def handle(self, session: Any) -> None:
        try:
            await self.function(session)
        except BaseException as error:
            self.error = error
            raise

    async def after_connection_closed(self, session: Any, status: CloseStatus) -> None:
        self.codes.append(status.code)
        self.closed.set()

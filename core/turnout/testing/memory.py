"""Test one's own handlers without sockets, ports or sleeps: all of turnout but the engine is real.

```python
async with connect(registry, "/chat/blue", origin="https://example.org") as client:
    await client.send("hello")
    assert await client.receive() == "HELLO"
```

The registry's handshake runs as on every engine: path templates, checks, origins, interceptors.
Handlers of both colours run; a plain `def` one in its thread. The event loop is asyncio's, whatever
brought it: `asyncio.run` or a plugin of pytest.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from importlib.metadata import entry_points
from typing import TypeAlias
from weakref import WeakKeyDictionary

from turnout.close import CloseStatus
from turnout.errors import ConfigurationError, ConnectionClosed, HandshakeRefused
from turnout.headers import Headers, HeadersLike
from turnout.messages import BinaryMessage, Message, PingMessage, PongMessage, TextMessage
from turnout.registry import WebSocketHandlerRegistry
from turnout.runtime import Runtime
from turnout.service import WebSocketService
from turnout.session.session import WebSocketSession
from turnout.testing.http import HandshakeRequest, HttpResponse
from turnout.testing.memory_engine import MemoryConnection, MemoryStrategy, join_payloads
from turnout.testing.memory_http import MemoryRequest, MemoryResponse

__all__ = ["MemoryClient", "connect", "fetch"]

HOST = "testserver"
RUNTIMES = "turnout.runtimes"
"""The entry-point group of concurrency models."""


class MemoryClient:
    """The client's end of a connection without sockets.

    It answers pings and close frames by itself. `headers` are those of the 101.
    """

    def __init__(self, connection: MemoryConnection, answer: HttpResponse) -> None:
        self._connection = connection
        self.headers: Headers = answer.headers

    def __aiter__(self) -> MemoryClient:
        return self

    async def __anext__(self) -> str | bytes:
        try:
            return await self.receive()
        except ConnectionClosed:
            raise StopAsyncIteration from None

    @property
    def session(self) -> WebSocketSession:
        """The handler's session, to look at."""
        return self._connection.session

    @property
    def sub_protocol(self) -> str | None:
        """The sub-protocol that was agreed on."""
        return self._connection.sub_protocol

    @property
    def close_status(self) -> CloseStatus | None:
        """How the connection was closed; None while it is open, and after `vanish`."""
        return self._connection.status

    async def send(self, message: str | bytes | Message) -> None:
        """Send a message, a piece of one, a ping or a pong; wait while the handler holds us back.

        Raises `ConnectionClosed` when the connection is over.
        """
        if isinstance(message, str):
            message = TextMessage(message)
        elif isinstance(message, bytes):
            message = BinaryMessage(message)
        await self._connection.deliver(message)

    async def receive(self) -> str | bytes:
        """Return the next text or binary message; raise `ConnectionClosed` when none will come."""
        pieces = [await self._receive_data()]
        while not pieces[-1].is_last:
            pieces.append(await self._receive_data())
        whole = join_payloads(type(pieces[0]), [piece.payload for piece in pieces])
        payload: str | bytes = whole.payload
        return payload

    async def receive_message(self) -> Message:
        """Return whatever comes next as a `Message`: pieces one by one, pings and pongs too."""
        message = await self._connection.take()
        if message is None:
            raise ConnectionClosed(self.close_status or CloseStatus(1006))
        return message

    async def _receive_data(self) -> Message:
        while isinstance(message := await self.receive_message(), (PingMessage, PongMessage)):
            continue
        return message

    async def close(self, code: int = 1000, reason: str = "") -> CloseStatus:
        """Close, and return how the session ended; harmless when repeated."""
        self._connection.close_by_client(CloseStatus(code, reason))
        return await self.wait_closed()

    async def vanish(self) -> CloseStatus:
        """Go without a close frame; return how the session saw it (1006)."""
        self._connection.lose(ConnectionResetError("the client has vanished"))
        return await self.wait_closed()

    async def wait_closed(self) -> CloseStatus:
        """Return how the session ended, when it has."""
        return await self.session.wait_closed()


@asynccontextmanager
async def connect(
    registry: WebSocketHandlerRegistry,
    target: str,
    *,
    headers: HeadersLike = (),
    origin: str | None = None,
    sub_protocols: Iterable[str] = (),
) -> AsyncIterator[MemoryClient]:
    """Open a WebSocket to a handler of `registry`; `target` is a path, with a query if need be.

    Raises `HandshakeRefused` with the status, headers and body that a client would have got; 404
    for a path without a handler. On leaving, the connection is closed with 1000 if it is still
    open, and the handler has ended, `after_connection_closed` included.
    """
    handshake = HandshakeRequest(
        target=target, host=HOST, origin=origin, protocols=", ".join(sub_protocols) or None
    )
    fields = Headers(handshake.fields())
    fields.extend(headers)
    request, response = MemoryRequest(target, fields), MemoryResponse()
    service = _service(registry)
    handling = asyncio.create_task(_handle(service, request, response))
    connection = await _connected(handling, response)
    try:
        yield MemoryClient(connection, response.answer)
    finally:
        connection.close_by_client(CloseStatus(1000))
        await handling


async def fetch(
    registry: WebSocketHandlerRegistry,
    target: str,
    *,
    method: str = "GET",
    headers: HeadersLike = (),
    body: bytes = b"",
) -> HttpResponse:
    """Send a plain HTTP request to a handler of `registry` and return its whole answer."""
    fields = Headers([("Host", HOST)])
    fields.extend(headers)
    response = MemoryResponse()
    request = MemoryRequest(target, fields, method=method, body=body)
    await _handle(_service(registry), request, response)
    return response.answer


async def _handle(
    service: WebSocketService, request: MemoryRequest, response: MemoryResponse
) -> None:
    if not await service.handle(request, response):
        await response.send(404, body=b"Not found.")


async def _connected(handling: asyncio.Task[None], response: MemoryResponse) -> MemoryConnection:
    """Return the connection once its session has begun, or raise the refusal."""
    begun = asyncio.ensure_future(response.begun.wait())
    await asyncio.wait((handling, begun), return_when=asyncio.FIRST_COMPLETED)
    begun.cancel()
    if response.connection is None:
        await handling
        answer = response.answer
        raise HandshakeRefused(answer.status, answer.headers.fields(), answer.body)
    return response.connection


Served: TypeAlias = tuple[asyncio.AbstractEventLoop, WebSocketService]
_served: WeakKeyDictionary[WebSocketHandlerRegistry, Served] = WeakKeyDictionary()


def _service(registry: WebSocketHandlerRegistry) -> WebSocketService:
    """Return what serves a registry in the running loop; the same for all its connections."""
    loop = asyncio.get_running_loop()
    served = _served.get(registry)
    if served is None or served[0] is not loop:
        served = _served[registry] = loop, WebSocketService(registry, MemoryStrategy(), _runtime())
    return served[1]


def _runtime() -> Runtime:
    """Return the asyncio runtime; core reaches runtimes through their entry points only."""
    for point in entry_points(group=RUNTIMES, name="asyncio"):
        runtime: Runtime = point.load()()
        return runtime
    raise ConfigurationError("turnout is not installed: its runtimes are found by entry points")

"""What uvicorn's HTTP protocols leave out before there is a WebSocket.

They make a WebSocket of every request with `Upgrade: websocket`. uvicorn's implementations then
answer a version that is not spoken by a 400 without naming 13, HTTP/1.0 and a body by a 101, and
close the connection behind every refusal. What is no handshake, or for nobody here, stays a request
of HTTP, where turnout answers it. And they wait for ever for a request to arrive, and take heads of
any size: httptools always, h11 when they come at once.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar, cast

from uvicorn.protocols.http.h11_impl import H11Protocol

from turnout_adapters.asgi.handshake import is_handshake

if TYPE_CHECKING:
    from turnout.registry import WebSocketHandlerRegistry

__all__ = ["careful"]

MAX_HEAD_SIZE = 64 * 1024
MOST_FIELDS = 128
"""More of them, and the parser of websockets gives up: uvicorn then leaves them unanswered."""
END_OF_HEAD = b"\r\n\r\n"

WEBSOCKET = b"websocket"


def careful(
    protocol: type[asyncio.Protocol], registry: WebSocketHandlerRegistry, *, checks: bool
) -> type[asyncio.Protocol]:
    """Return an HTTP protocol of uvicorn that cuts requests which do not arrive in time.

    With `checks` it makes WebSockets of good handshakes for registered paths only.
    """
    kind = _Careful if issubclass(protocol, H11Protocol) else _CarefulHttptools
    attributes = {
        "registry": registry,
        "checks": checks,
        "head_timeout": registry.options.handshake_timeout,
    }
    made: Any = type(f"Careful{protocol.__name__}", (kind, protocol), attributes)
    return cast("type[asyncio.Protocol]", made)


class _Careful:
    """In front of a protocol of uvicorn's, which stands behind `super()`."""

    registry: ClassVar[WebSocketHandlerRegistry]
    checks: ClassVar[bool]
    head_timeout: ClassVar[float | None]
    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    scope: Any
    headers: list[tuple[bytes, bytes]]
    _head_timer: asyncio.TimerHandle | None = None
    _is_waiting = False
    _head_size = 0
    _decided: tuple[Any, bool] | None = None
    """What was last decided, and of which scope: there is one for each request."""

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for a request."""
        super().connection_made(transport)  # type: ignore[misc]  # uvicorn's
        self._expect_request()

    def data_received(self, data: bytes) -> None:
        """Take what came, unless it makes the head of a request too large."""
        if self._is_waiting:
            end = data.find(END_OF_HEAD)
            self._head_size += len(data) if end < 0 else end + len(END_OF_HEAD)
            if self._head_size > MAX_HEAD_SIZE:
                self._is_waiting = False
                self.send_400_response("The head of the request is too large.")
        if not self.transport.is_closing():
            super().data_received(data)  # type: ignore[misc]  # uvicorn's

    def send_400_response(self, msg: str) -> None:
        """Answer and close."""
        super().send_400_response(msg)  # type: ignore[misc]  # uvicorn's

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._request_arrived()
        super().connection_lost(exc)  # type: ignore[misc]  # uvicorn's

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()  # type: ignore[misc]  # uvicorn's
        if not self.transport.is_closing():
            self._expect_request()

    def _expect_request(self) -> None:
        self._request_arrived()
        self._is_waiting = True
        self._head_size = 0
        if self.head_timeout is not None:
            self._head_timer = self.loop.call_later(self.head_timeout, self._cut)

    def _request_arrived(self) -> None:
        self._is_waiting = False
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _cut(self) -> None:
        if self.transport.get_write_buffer_size():  # the last answer is still on its way
            self._expect_request()
        else:
            self.transport.close()

    def _get_upgrade(self) -> bytes | None:
        """Read both fields as lists over all their lines; uvicorn takes the last line for all."""
        if self.checks:  # its implementations of WebSockets would not follow
            return super()._get_upgrade()  # type: ignore[misc, no-any-return]  # uvicorn's
        asks = b"upgrade" in self._members(b"connection")
        protocols = self._members(b"upgrade") if asks else []
        return WEBSOCKET if WEBSOCKET in protocols else next(iter(protocols), None)

    def _members(self, name: bytes) -> list[bytes]:
        lines = (value for field, value in self.headers if field == name)
        return [member.strip().lower() for line in lines for member in line.split(b",")]

    def _should_upgrade(self) -> bool:
        self._request_arrived()
        if self._decided is None or self._decided[0] is not self.scope:  # uvicorn asks three times
            self._decided = self.scope, self._decide()
        return self._decided[1]

    def _decide(self) -> bool:
        if not super()._should_upgrade():  # type: ignore[misc]  # uvicorn's
            return False
        return not self.checks or self._is_ours()

    def _is_ours(self) -> bool:
        return len(self.headers) <= MOST_FIELDS and is_handshake(self.scope, self.registry)


class _CarefulHttptools(_Careful):
    url: bytes

    def on_headers_complete(self) -> None:
        """Note that the request has arrived."""
        self._request_arrived()
        super().on_headers_complete()  # type: ignore[misc]  # uvicorn's

    def _is_ours(self) -> bool:
        root: str = self.scope["root_path"]  # the path is not in the scope yet
        self.scope["raw_path"] = root.encode("ascii") + self.url.partition(b"?")[0]
        return super()._is_ours()

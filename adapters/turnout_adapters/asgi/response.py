"""The answer to an ASGI scope: a page, a refusal before the handshake, or the handshake itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from turnout.close import NO_CLOSE_FRAME
from turnout.errors import ConnectionClosed, UsageError
from turnout.headers import Headers
from turnout.http import ServerHttpResponse
from turnout_adapters.asgi.takeover import takeover_host
from turnout_compat.granian_refusals import denial_fields, keeps_connections

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from turnout.headers import HeadersLike
    from turnout_adapters.asgi.receiver import Receiver
    from turnout_adapters.asgi.types import Event, Scope, Send

__all__ = ["AsgiResponse"]

BODILESS = frozenset((204, 304))
DENIAL = "websocket.http.response"
OF_EVERY_101 = frozenset(("upgrade", "connection", "sec-websocket-accept"))
OF_THE_HOST = OF_EVERY_101 | {"sec-websocket-protocol"}
"""Fields of a 101 that an ASGI host writes by itself."""


class AsgiResponse(ServerHttpResponse):
    """A response that an ASGI host writes.

    A handshake is refused by the extension "WebSocket Denial Response" where the host offers it;
    elsewhere by a close before the accept, which the host makes a 403 of.
    """

    def __init__(self, scope: Scope, receiver: Receiver, send: Send) -> None:
        super().__init__()
        self._receiver = receiver
        self._host_send: Send = send
        self._is_websocket = scope["type"] == "websocket"
        self._can_deny = DENIAL in (scope.get("extensions") or {})
        self._is_last = self._is_websocket and _ends_behind_a_denial(scope)
        self._finished = False
        self.rest: Callable[[], Awaitable[None]] | None = None
        """What is to be awaited behind a handshake, for which nothing of the request is needed."""

    async def send(self, status: int, headers: HeadersLike = (), body: bytes = b"") -> None:
        """Answer with a whole response."""
        fields = self._fields(headers)
        fields.remove("content-length")
        if status not in BODILESS:
            fields.add("Content-Length", str(len(body)))
        await self._begin(status, fields)
        await self._write(b"" if status in BODILESS else body, more=False)

    async def start(self, status: int, headers: HeadersLike = ()) -> None:
        """Send status and headers; the body follows."""
        await self._begin(status, self._fields(headers))
        self._receiver.watch()  # a host need not say by an error that the client has gone

    async def write(self, data: bytes) -> None:
        """Send a piece of the body; wait while the client is slow."""
        self._expect_unfinished()
        if not self.disconnected:
            await self._write(data, more=True)
            await asyncio.sleep(0)  # a host that drops what nobody reads returns at once
        if self.disconnected:
            raise ConnectionClosed(NO_CLOSE_FRAME)

    async def finish(self) -> None:
        """End the body."""
        self._expect_unfinished()
        if not self.disconnected:
            await self._write(b"", more=False)

    async def accept(self, fields: list[tuple[str, str]]) -> None:
        """Let the host send its 101 with these fields, as far as they are not its own."""
        sub_protocol = None
        headers = []
        for name, value in fields:
            if name.lower() == "sec-websocket-protocol":
                sub_protocol = value
            if name.lower() not in OF_THE_HOST:
                headers.append((name.lower().encode("ascii"), value.encode("latin-1")))
        if self.disconnected:
            raise ConnectionClosed(NO_CLOSE_FRAME)
        self.started = True
        await self.pass_on(
            {"type": "websocket.accept", "subprotocol": sub_protocol, "headers": headers}
        )

    async def switch(self, fields: list[tuple[str, str]]) -> None:
        """Write the 101 as a refusal, by a host that then lets go of the connection."""
        own = [(name, value) for name, value in fields if name.lower() not in OF_EVERY_101]
        await self._begin(101, Headers(own))
        await self._write(b"", more=False)

    @property
    def disconnected(self) -> bool:
        """True once the client is known to have gone."""
        return self._receiver.gone

    async def wait_disconnected(self) -> None:
        """Return when the client has gone."""
        await self._receiver.wait_gone()

    def forget(self) -> None:
        """Refer to nothing of the host's, which may keep a connection open for that."""
        self._host_send = _send_nothing
        self.rest = None

    def _fields(self, headers: HeadersLike) -> Headers:
        fields = self.headers.copy()
        fields.extend(headers)
        if self._is_last:
            fields.set("Connection", "close")
        return fields

    async def _begin(self, status: int, fields: Headers) -> None:
        if self.disconnected:
            raise ConnectionClosed(NO_CLOSE_FRAME)
        if self.started:
            raise UsageError("this request has its answer already")
        self.started = True
        encoded = [(n.lower().encode("ascii"), v.encode("latin-1")) for n, v in fields.fields()]
        kind = "http.response"
        if self._is_websocket:
            kind, encoded = DENIAL, denial_fields(encoded)
        if not self._is_websocket or self._can_deny:
            await self.pass_on({"type": f"{kind}.start", "status": status, "headers": encoded})

    async def _write(self, data: bytes, *, more: bool) -> None:
        self._finished = not more
        kind = DENIAL if self._is_websocket else "http.response"
        if not self._is_websocket or self._can_deny:
            await self.pass_on({"type": f"{kind}.body", "body": data, "more_body": more})
        elif not more:
            await self.pass_on({"type": "websocket.close"})

    async def pass_on(self, event: Event) -> None:
        """Hand an event to the host; raise `ConnectionClosed` when it says that nobody is there."""
        await self.settle(self.begin(event))

    def begin(self, event: Event) -> Awaitable[None]:
        """Call the host, and return what `settle` takes; or, of a host's future, its end tells."""
        return self._host_send(event)

    async def settle(self, begun: Awaitable[None]) -> None:
        """Return when the host has taken an event; raise as `pass_on` does."""
        try:
            await begun
        except OSError as error:  # what ASGI 2.4 lets a host raise once the client has gone
            self._receiver.gone = True
            raise ConnectionClosed(NO_CLOSE_FRAME) from error

    def _expect_unfinished(self) -> None:
        if not self.started or self._finished:
            raise UsageError("the body of a response comes after start() and before finish()")


async def _send_nothing(event: Event) -> None:
    raise UsageError("this request is over")


def _ends_behind_a_denial(scope: Scope) -> bool:
    """Tell whether the connection ends behind a denial: hosts end it, and leave it unsaid."""
    if takeover_host(scope) is not None or keeps_connections():
        return False
    return scope.get("http_version", "1.1").startswith("1.")  # type: ignore[no-any-return]  # a str by the spec

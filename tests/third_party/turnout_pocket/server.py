"""A server that answers HTTP requests one after the other, and its views for turnout."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, cast

import h11

from turnout import BodyTooLargeError, CloseStatus, ConnectionClosed, Headers
from turnout.http import ServerHttpRequest, ServerHttpResponse
from turnout_compat.asyncio_transport import address_of

if TYPE_CHECKING:
    from turnout import WebSocketService
    from turnout.headers import HeadersLike
    from turnout.http import Address

log = logging.getLogger("turnout_pocket")

MAX_HEAD = 64 * 1024


class PocketProtocol(asyncio.Protocol):
    """One connection: requests, their bodies, and whatever answers them."""

    transport: asyncio.Transport

    def __init__(self, service: WebSocketService) -> None:
        self._service = service
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self.http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
        self.body: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.gone = asyncio.Event()
        self.writable = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Give the client its time to ask."""
        self.transport = cast("asyncio.Transport", transport)
        self.writable.set()
        self._expect_request()

    def _expect_request(self) -> None:
        limit = self._service.registry.options.handshake_timeout
        if limit is not None:
            self._timer = asyncio.get_running_loop().call_later(limit, self.transport.close)

    def data_received(self, data: bytes) -> None:
        """Let h11 parse."""
        self.http.receive_data(data)
        self._advance()

    def _advance(self) -> None:
        try:
            while (event := self.http.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
                self._take(event)
        except h11.RemoteProtocolError as error:
            self._refuse(error.error_status_hint)

    def _take(self, event: object) -> None:
        if isinstance(event, h11.Request):
            check_size(event)
            self._stop_timer()
            self._task = asyncio.get_running_loop().create_task(self._answer(event))
        elif isinstance(event, h11.Data):
            self.body.put_nowait(bytes(event.data))
            if self.body.qsize() > 16:
                self.transport.pause_reading()
        elif isinstance(event, h11.EndOfMessage):
            self.body.put_nowait(None)
        elif isinstance(event, h11.ConnectionClosed):
            self.transport.close()

    async def _answer(self, event: h11.Request) -> None:
        response = PocketResponse(self, has_body=event.method != b"HEAD")
        try:
            if not await self._service.handle(PocketRequest(self, event), response):
                await response.send(404, [("Content-Type", "text/plain")], b"Not Found")
        except ConnectionClosed:
            self.transport.abort()
        except Exception:
            log.exception("a request could not be answered")
            self.transport.abort()
        else:
            self._next_request()

    def _next_request(self) -> None:
        if self.http.our_state is h11.SWITCHED_PROTOCOL:
            return
        if self.http.our_state is not h11.DONE or self.http.their_state is not h11.DONE:
            self.transport.close()
            return
        self._task, self.body = None, asyncio.Queue()
        self.http.start_next_cycle()
        self._expect_request()
        self._advance()

    def _refuse(self, status: int) -> None:
        if self._task is None:
            self.send(h11.Response(status_code=status, headers=[("Content-Length", "0")]))
        self.transport.close()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def pause_writing(self) -> None:
        """Hold writers back."""
        self.writable.clear()

    def resume_writing(self) -> None:
        """Let writers go on."""
        self.writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let everyone know who waits."""
        self._stop_timer()
        self.gone.set()
        self.writable.set()
        self.body.put_nowait(None)

    def send(self, event: h11.Event) -> None:
        """Write what h11 makes of an event."""
        self.transport.write(self.http.send(event) or b"")

    def check_alive(self) -> None:
        """Raise `ConnectionClosed` when the client has gone."""
        if self.gone.is_set() or self.transport.is_closing():
            raise ConnectionClosed(CloseStatus(1006))


def check_size(event: h11.Request) -> None:
    """Refuse a head that came in one piece and is too large: h11 counts incomplete ones only."""
    if len(event.target) + sum(len(n) + len(v) for n, v in event.headers) > MAX_HEAD:
        raise h11.RemoteProtocolError("too large", error_status_hint=431)


class PocketRequest(ServerHttpRequest):
    """turnout's view of the request."""

    def __init__(self, protocol: PocketProtocol, event: h11.Request) -> None:
        super().__init__()
        self.native = event
        self._protocol = protocol
        fields = event.headers.raw_items()
        self._headers = Headers.trusted(
            (n.decode("latin-1"), v.decode("latin-1")) for n, v in fields
        )

    @property
    def method(self) -> str:
        """The method."""
        return cast("str", self.native.method.decode())

    @property
    def http_version(self) -> str:
        """The version of HTTP."""
        return cast("str", self.native.http_version.decode())

    @property
    def scheme(self) -> str:
        """`https` with TLS."""
        tls = self._protocol.transport.get_extra_info("ssl_object")
        return "http" if tls is None else "https"

    @property
    def target(self) -> str:
        """The request target."""
        return cast("str", self.native.target.decode("latin-1"))

    @property
    def headers(self) -> Headers:
        """The header fields."""
        return self._headers

    @property
    def remote_address(self) -> Address | None:
        """The peer."""
        return address_of(self._protocol.transport.get_extra_info("peername"))

    @property
    def local_address(self) -> Address | None:
        """This end."""
        return address_of(self._protocol.transport.get_extra_info("sockname"))

    async def read_body(self, limit: int) -> bytes:
        """Return the body; raise `BodyTooLargeError` past the limit."""
        if self._protocol.http.they_are_waiting_for_100_continue:
            self._protocol.send(h11.InformationalResponse(status_code=100, headers=[]))
        body = b""
        while (piece := await self._protocol.body.get()) is not None:
            body += piece
            self._protocol.transport.resume_reading()
            if len(body) > limit:
                raise BodyTooLargeError(f"the body has more than {limit} bytes")
        self._protocol.check_alive()
        return body


class PocketResponse(ServerHttpResponse):
    """turnout's view of the answer."""

    def __init__(self, protocol: PocketProtocol, *, has_body: bool) -> None:
        super().__init__()
        self._protocol = protocol
        self._has_body = has_body

    def switch_protocols(self, headers: list[tuple[str, str]]) -> tuple[asyncio.Transport, bytes]:
        """Write the 101; return the transport and what came with the request."""
        self._protocol.check_alive()
        self.started = True
        event = h11.InformationalResponse(
            status_code=101, headers=headers, reason="Switching Protocols"
        )
        self._protocol.send(event)
        return self._protocol.transport, self._protocol.http.trailing_data[0]

    async def send(self, status: int, headers: HeadersLike = (), body: bytes = b"") -> None:
        """Answer whole."""
        length = [] if status in (204, 304) else [("Content-Length", str(len(body)))]
        self._begin(status, headers, length)
        if body and self._has_body:
            self._protocol.send(h11.Data(data=body))
        await self.finish()

    async def start(self, status: int, headers: HeadersLike = ()) -> None:
        """Begin a streamed answer."""
        self._begin(status, headers, [])

    async def write(self, data: bytes) -> None:
        """Send a piece, as fast as the client reads."""
        self._protocol.check_alive()
        if data and self._has_body:
            self._protocol.send(h11.Data(data=data))
        await self._protocol.writable.wait()
        self._protocol.check_alive()

    async def finish(self) -> None:
        """End the answer."""
        if not self.disconnected:
            self._protocol.send(h11.EndOfMessage())

    @property
    def disconnected(self) -> bool:
        """True once the client has gone."""
        return self._protocol.gone.is_set()

    async def wait_disconnected(self) -> None:
        """Return when the client has gone."""
        await self._protocol.gone.wait()

    def _begin(self, status: int, headers: HeadersLike, framing: list[tuple[str, str]]) -> None:
        self._protocol.check_alive()
        fields = self.headers.copy()
        fields.extend(headers)  # raises for what may not be sent: then nothing has been
        fields.remove("Content-Length")
        fields.extend(framing)
        self.started = True
        self._protocol.send(h11.Response(status_code=status, headers=fields.fields()))

"""`receive` and `send` of one WebSocket scope, over the request's answer and then over a session.

```text
connect ──accept──────────────────> session ──close, or the application returns──> disconnect
   ├──close─────────────────────> 403
   └──http.response.start, body─> that response
```
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from uvicorn.protocols.utils import ClientDisconnected, get_client_addr

from turnout.close import NO_CLOSE_FRAME, NORMAL, SERVER_ERROR, SERVICE_RESTARTED, CloseStatus
from turnout.errors import ConnectionClosed
from turnout.handshake.negotiated import response_headers
from turnout.headers import Headers
from turnout.messages import BinaryMessage, TextMessage
from turnout.session.blocking import BlockingSession
from turnout.session.inbox import RuntimeInbox
from turnout.session.session import WebSocketSession
from turnout.strategy import Upgrade

if TYPE_CHECKING:
    from turnout.messages import Message
    from turnout.protocol.extensions import DeflateParameters, WebSocketExtension
    from turnout_adapters.asgi.types import AsgiApp, Event, Scope
    from turnout_adapters.uvicorn.foreign import ForeignApplication
    from turnout_adapters.uvicorn.protocol import WebSocketProtocol
    from turnout_adapters.wsproto.views import H11Request, H11Response

__all__ = ["AsgiWebSocket"]

log = logging.getLogger("uvicorn.error")

PLAIN_TEXT: Final = ("Content-Type", "text/plain; charset=utf-8")
NOT_THE_APPLICATIONS: Final = frozenset(
    (
        "connection",
        "content-length",
        "sec-websocket-accept",
        "sec-websocket-extensions",
        "sec-websocket-protocol",
        "transfer-encoding",
        "upgrade",
    )
)
"""Fields of a 101 that belong to the handshake; the sub-protocol is a key of its own."""


class AsgiWebSocket:
    """One WebSocket as an ASGI application sees it."""

    def __init__(
        self,
        host: WebSocketProtocol,
        request: H11Request,
        response: H11Response,
        scope: Scope,
        settings: ForeignApplication,
    ) -> None:
        self._host = host
        self._request = request
        self._response = response
        self._scope = scope
        self._settings = settings
        self._extensions: tuple[WebSocketExtension, ...] = ()
        self._deflate: DeflateParameters | None = None
        self._connected = False
        self._decided = asyncio.Event()
        self._denial: tuple[int, Headers] | None = None
        self._session: WebSocketSession | None = None
        self._inbox: CountedInbox | None = None
        self._closed = False

    def check(self) -> None:
        """Raise `HandshakeRefused` for a request that is no handshake."""
        self._extensions, self._deflate = self._settings.check(self._request)

    @property
    def is_accepted(self) -> bool:
        """True once the application has accepted; not when turnout took the connection over."""
        return self._session is not None

    def shut_down(self) -> None:
        """Close with 1012, as uvicorn does when it shuts down."""
        assert self._session is not None
        self._session.begin_close(SERVICE_RESTARTED)

    # The application's run

    async def run(self, app: AsgiApp) -> None:
        """Run the application, and finish what it leaves unfinished."""
        try:
            result: object = await app(self._scope, self.receive, self.send)  # type: ignore[func-returns-value]  # a faulty one may return something
        except ClientDisconnected:
            await self._finish(NORMAL)
        except Exception:
            log.exception("Exception in ASGI application\n")
            await self._finish(SERVER_ERROR)
        except BaseException:  # cancelled: the server ends now
            if self._session is not None:
                self._session.begin_close(SERVICE_RESTARTED)
                self._session.finished()
            raise
        else:
            if result is not None:
                log.error("ASGI callable should return None, but returned '%s'.", result)
            await self._finish(NORMAL)

    async def _finish(self, status: CloseStatus) -> None:
        session = self._session
        if session is not None:
            session.begin_close(status)
            await session.wait_closed()
            session.finished()
        elif not self._response.started and not self._host.gone:
            if status is NORMAL:
                log.error("ASGI callable returned without completing handshake.")
            self._host.log_answer(500)
            await self._response.send(
                500, [PLAIN_TEXT, ("Connection", "close")], b"Internal Server Error"
            )

    # What the application calls

    async def receive(self) -> Event:
        """Return the next event; `websocket.disconnect` again and again at the end."""
        if self._inbox is None:
            event = await self._receive_before()
            if event is not None:
                return event
        assert self._inbox is not None
        message = await self._inbox.next()
        if type(message) is TextMessage:
            return {"type": "websocket.receive", "text": message.payload}
        if message is not None:
            return {"type": "websocket.receive", "bytes": message.payload}
        assert self._session is not None
        status = self._session.close_status or NO_CLOSE_FRAME
        return _disconnect(status.code, status.reason)

    async def _receive_before(self) -> Event | None:
        """Return what comes before a session; None when there is one."""
        if not self._connected:
            self._connected = True
            return {"type": "websocket.connect"}
        await self._until_decided()
        return None if self._inbox is not None else _disconnect(NO_CLOSE_FRAME.code)

    async def _until_decided(self) -> None:
        """Wait for an answer of the application, or the client's going."""
        decided = asyncio.ensure_future(self._decided.wait())
        try:
            await asyncio.wait((decided, self._host.lost), return_when=asyncio.FIRST_COMPLETED)
        finally:
            decided.cancel()

    async def send(self, event: Event) -> None:
        """Take an event; raise `ClientDisconnected`, an `OSError`, when the client has gone.

        Raises `RuntimeError` for an event that may not come now.
        """
        kind = event["type"]
        try:
            if self._session is None:
                await self._answer(kind, event)
            elif self._closed:
                raise RuntimeError(
                    f"Unexpected ASGI message '{kind}', after sending 'websocket.close'."
                )
            elif kind == "websocket.send":
                waiting = self._session.post(_message(event))
                if waiting is not None:
                    await waiting.wait(self._settings.runtime)
            elif kind == "websocket.close":
                self._close(self._session, event)
            else:
                raise _unexpected("'websocket.send' or 'websocket.close'", kind)
        except ConnectionClosed as closed:
            raise ClientDisconnected from closed

    def _close(self, session: WebSocketSession, event: Event) -> None:
        status = CloseStatus(event.get("code", 1000), event.get("reason") or "").check_sendable()
        if not session.is_open:
            raise ClientDisconnected
        self._closed = True
        session.begin_close(status)

    # The answer to the request

    async def _answer(self, kind: str, event: Event) -> None:
        if self._host.gone:
            raise ClientDisconnected
        if self._denial is not None:
            await self._deny(kind, event)
        elif self._response.started:
            raise RuntimeError(f"Unexpected ASGI message '{kind}', after the request was answered.")
        elif kind == "websocket.accept":
            self._accept(event)
        elif kind == "websocket.close":
            self._host.log_answer(403)
            await self._response.send(403, self._with_defaults(Headers()))
            self._decided.set()
        elif kind == "websocket.http.response.start":
            self._begin_denial(event)
        else:
            raise _unexpected(
                "'websocket.accept', 'websocket.close' or 'websocket.http.response.start'", kind
            )

    def _accept(self, event: Event) -> None:
        upgrade = self._upgrade(event.get("subprotocol"), _headers(event))
        connection = self._host.take_over(upgrade)
        settings = self._settings
        name = get_client_addr(self._scope)  # type: ignore[arg-type]  # a scope of ours
        session = WebSocketSession(name, upgrade, connection, settings.runtime)
        self._inbox = CountedInbox(connection, upgrade.options.receive_buffer, settings.runtime)
        self._inbox.most = settings.max_queue
        session.use(self._inbox, BlockingSession(session, settings.runtime))
        connection.session = session
        self._session = session
        session.start()
        self._decided.set()

    def _upgrade(self, sub_protocol: str | None, headers: Headers) -> Upgrade:
        if sub_protocol and sub_protocol not in self._scope["subprotocols"]:
            raise RuntimeError(f"The client has not offered the subprotocol {sub_protocol!r}.")
        for name in headers:
            if name.lower() in NOT_THE_APPLICATIONS:
                raise RuntimeError(f"The header {name!r} of a handshake is the server's to set.")
        self._response.headers.extend(self._with_defaults(headers))
        return Upgrade(
            uri=self._request.uri,
            headers=self._request.headers,
            path_variables={},
            attributes={},
            principal=None,
            sub_protocol=sub_protocol or None,
            extensions=self._extensions,
            deflate=self._deflate,
            response_headers=response_headers(
                self._request, self._response, sub_protocol or None, self._extensions
            ),
            handler=self._settings.handler,
            options=self._settings.options,
            service=self._settings.service,
        )

    def _begin_denial(self, event: Event) -> None:
        status = event["status"]
        if not 200 <= status < 600:
            raise RuntimeError(f"Invalid HTTP status code '{status}' in response.")
        self._denial = status, self._with_defaults(_headers(event))
        self._host.log_answer(status)

    async def _deny(self, kind: str, event: Event) -> None:
        assert self._denial is not None
        if kind != "websocket.http.response.body" or self._decided.is_set():
            raise _unexpected("'websocket.http.response.body'", kind)
        status, headers = self._denial
        body, more = event.get("body", b""), event.get("more_body", False)
        if self._response.started:
            await self._response.write(body)
        elif not more and "content-length" not in headers:
            await self._response.send(status, headers, body)
            self._decided.set()
            return
        else:
            await self._response.start(status, headers)
            await self._response.write(body)
        if not more:
            await self._response.finish()
            self._decided.set()

    def _with_defaults(self, headers: Headers) -> Headers:
        """Return the fields with uvicorn's own, `date` and `server`, where they have none."""
        fields = Headers()
        for name, value in self._host.default_headers:
            if name.decode("latin-1") not in headers:
                fields.add(name.decode("latin-1"), value.decode("latin-1"))
        fields.extend(headers)
        return fields


class CountedInbox(RuntimeInbox):
    """An inbox that holds the peer back at a number of messages too: `ws_max_queue`."""

    __slots__ = ("most",)

    most: int

    def put(self, message: Message) -> None:
        """Add one message."""
        super().put(message)
        if len(self._messages) >= self.most and not self.paused:
            self.paused = True
            self._connection.pause_reading()


def _message(event: Event) -> TextMessage | BinaryMessage:
    data: Any = event.get("bytes")
    if data is not None:
        return BinaryMessage(data)
    return TextMessage(event.get("text"))  # type: ignore[arg-type]  # what is no text raises


def _headers(event: Event) -> Headers:
    given = event.get("headers") or ()
    return Headers((name.decode("latin-1"), value.decode("latin-1")) for name, value in given)


def _disconnect(code: int, reason: str = "") -> Event:
    return {"type": "websocket.disconnect", "code": code, "reason": reason}


def _unexpected(expected: str, kind: str) -> RuntimeError:
    return RuntimeError(f"Expected ASGI message {expected}, but got '{kind}'.")

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
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.utils import ClientDisconnected, get_client_addr

from turnout.close import NO_CLOSE_FRAME, NORMAL, SERVER_ERROR, SERVICE_RESTARTED, CloseStatus
from turnout.errors import ConnectionClosed
from turnout.messages import BinaryMessage, TextMessage
from turnout.session.blocking import BlockingSession
from turnout.session.inbox import RuntimeInbox
from turnout.session.session import WebSocketSession
from turnout_adapters.uvicorn.answer import unexpected

if TYPE_CHECKING:
    from turnout.errors import HandshakeRefused
    from turnout.messages import Message
    from turnout.strategy import Upgrade
    from turnout_adapters.asgi.types import AsgiApp, Event, Scope
    from turnout_adapters.uvicorn.answer import AsgiAnswer
    from turnout_adapters.uvicorn.foreign import ForeignApplication
    from turnout_adapters.uvicorn.protocol import WebSocketProtocol

__all__ = ["AsgiWebSocket"]

log = logging.getLogger("uvicorn.error")

WITHOUT_HANDSHAKE = "ASGI callable returned without completing handshake."


class AsgiWebSocket:
    """One WebSocket as an ASGI application sees it."""

    def __init__(
        self,
        host: WebSocketProtocol,
        answer: AsgiAnswer,
        scope: Scope,
        settings: ForeignApplication,
    ) -> None:
        self._host = host
        self._answer: AsgiAnswer | None = answer
        self._scope = scope
        self._settings = settings
        self._connected = False
        self._decided: asyncio.Future[None] | None = None
        self._session: WebSocketSession | None = None
        self._inbox: CountedInbox | None = None
        self._closed = False

    def check(self) -> None:
        """Raise `HandshakeRefused` for a request that is no handshake."""
        assert self._answer is not None
        self._answer.check()

    async def refuse(self, refused: HandshakeRefused) -> None:
        """Answer what `check` has raised, in place of the application."""
        assert self._answer is not None
        await self._answer.refuse(refused)

    def taken_over(self) -> None:
        """Note that the 101 is on the wire: nothing of the request is needed any more."""
        self._answer = None

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
        elif self._answer is not None:
            await self._answer.give_up(WITHOUT_HANDSHAKE if status is NORMAL else None)

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
        if self._answer is None or self._answer.is_given:
            return
        self._decided = asyncio.get_running_loop().create_future()
        await asyncio.wait((self._decided, self._host.lost), return_when=asyncio.FIRST_COMPLETED)

    async def send(self, event: Event) -> None:
        """Take an event; raise `ClientDisconnected`, an `OSError`, when the client has gone.

        Raises `RuntimeError` for an event that may not come now.
        """
        kind = event["type"]
        try:
            if self._session is None:
                await self._take_answer(kind, event)
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
                raise unexpected("'websocket.send' or 'websocket.close'", kind)
        except ConnectionClosed as closed:
            raise ClientDisconnected from closed

    def _close(self, session: WebSocketSession, event: Event) -> None:
        status = CloseStatus(event.get("code", 1000), event.get("reason") or "").check_sendable()
        if not session.is_open:
            raise ClientDisconnected
        self._closed = True
        session.begin_close(status)

    async def _take_answer(self, kind: str, event: Event) -> None:
        answer = self._answer
        assert answer is not None, "turnout has taken the connection over"
        upgrade = await answer.take(kind, event)
        if upgrade is not None:
            self._open(upgrade)
        if upgrade is not None or answer.is_given:
            self._wake()

    def _wake(self) -> None:
        if self._decided is not None and not self._decided.done():
            self._decided.set_result(None)

    def _open(self, upgrade: Upgrade) -> None:
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


class CountedInbox(RuntimeInbox):
    """An inbox that holds the peer back at a number of messages too: `ws_max_queue`."""

    __slots__ = ("most",)

    most: int

    def put(self, message: Message) -> None:
        """Add one message."""
        super().put(message)
        if len(self._messages or ()) >= self.most and not self.paused:
            self.paused = True
            self._connection.pause_reading()


def _message(event: Event) -> TextMessage | BinaryMessage:
    data: Any = event.get("bytes")
    if data is not None:
        return BinaryMessage(data)
    return TextMessage(event.get("text"))  # type: ignore[arg-type]  # what is no text raises


def _disconnect(code: int, reason: str = "") -> Event:
    return {"type": "websocket.disconnect", "code": code, "reason": reason}

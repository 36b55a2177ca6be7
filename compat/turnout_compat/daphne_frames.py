"""What daphne's WebSockets lack, put around them.

daphne refuses by 403 alone, whatever the application says; drops the headers of an accept, the
reasons of close frames, and messages that are empty; closes with no code that autobahn takes for a
server's matter, such as 1001; resets the connection when the peer breaks the protocol; and buffers
without an end in both directions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from daphne.ws_protocol import WebSocketProtocol
from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer
from twisted.internet.protocol import connectionDone
from zope.interface import implementer

from turnout_compat.asgi_frames import FRAME, Event, Frames, GuardedInput, found_by_host

if TYPE_CHECKING:
    from turnout_compat.asgi_frames import FramedConnection

__all__ = ["Flow", "GuardedProtocol"]


@implementer(IPushProducer)
class Flow:
    """Tells when a transport of Twisted's takes more; register it there as a producer.

    `resumed` is called each time that it does again.
    """

    def __init__(self, resumed: Callable[[], object] = lambda: None) -> None:
        self._resumed = resumed
        self._writable = asyncio.Event()
        self._writable.set()

    @property
    def paused(self) -> bool:
        """True while the transport has enough."""
        return not self._writable.is_set()

    async def wait(self) -> None:
        """Return when the transport takes more."""
        await self._writable.wait()

    def pauseProducing(self) -> None:  # noqa: N802  # Twisted's name
        """Hold whoever writes back."""
        self._writable.clear()

    def resumeProducing(self) -> None:  # noqa: N802  # Twisted's name
        """Let go on."""
        self._writable.set()
        self._resumed()

    def stopProducing(self) -> None:  # noqa: N802  # Twisted's name
        """Let go on: the transport is gone, and writing fails by itself."""
        self._writable.set()


class DaphneFrames(Frames):
    """The protocol below, for the application."""

    def __init__(self, protocol: GuardedProtocol) -> None:
        self._protocol = protocol

    def begin(self, connection: FramedConnection) -> None:
        """Guard what the peer sends."""
        self._protocol.begin(connection)

    def write_now(self, event: Mapping[str, Any]) -> bool:
        """Write an event while the client reads as fast as it is written to."""
        return self._protocol.write_now(event)

    async def ping(self, payload: bytes) -> None:
        """Send a ping."""
        self._protocol.sendPing(payload)

    async def pong(self, payload: bytes) -> None:
        """Send a pong."""
        self._protocol.sendPong(payload)

    async def write(self, frame: bytes) -> None:
        """Write a frame as it is."""
        await self._protocol.flow.wait()
        self._protocol.write_frame(frame)

    async def end(self) -> None:
        """End the connection as soon as the peer has had the chance to read."""
        self._protocol.end()

    def abort(self) -> None:
        """Cut the connection."""
        self._protocol.transport.abortConnection()


@implementer(IHalfCloseableProtocol)
class GuardedProtocol(WebSocketProtocol):  # type: ignore[misc]  # daphne ships no types
    """A WebSocket of daphne's, with a guard in front of autobahn."""

    application_queue: Any
    transport: Any

    def __init__(self) -> None:
        super().__init__()
        self.flow = Flow(self._answer_late_ping)
        self.frames = DaphneFrames(self)
        self._input = GuardedInput(keeps_close=True, keeps_pongs=True, paced=True)
        self._waiting = 0
        self._ended = False
        self._input_ended = False
        self._denial: list[bytes] | None = None

    # Twisted's and autobahn's calls

    def dataReceived(self, data: bytes) -> None:  # noqa: N802  # Twisted's name
        """Take the request, then what the guard lets through."""
        if self.state == self.STATE_CONNECTING and not hasattr(self, "request"):
            super().dataReceived(data)
        else:
            self._receive(data)

    def readConnectionLost(self) -> None:  # noqa: N802  # Twisted's name
        """Keep our direction open where a close frame is still owed."""
        self._input_ended = True
        if not self._input.waits:  # else it is not known yet what the peer has said last
            self._end_input()

    def _end_input(self) -> None:
        if self._input.failed and not self._ended:
            self._ended = True
        elif self._ended or self._input.closed:
            self._unwatch()
            self.transport.loseConnection()
        else:
            self.transport.abortConnection()

    def writeConnectionLost(self) -> None:  # noqa: N802  # Twisted's name
        """Nothing to do: this side has ended it."""

    def connectionMade(self) -> None:  # noqa: N802  # Twisted's name
        """Watch how much the transport has to write; daphne's HTTP has done so until now."""
        self.transport.unregisterProducer()
        self.transport.registerProducer(self.flow, True)
        super().connectionMade()

    def connectionLost(self, reason: Any = connectionDone) -> None:  # noqa: N802  # Twisted's name
        """Let go on who waits to write; daphne tells the application."""
        self.flow.stopProducing()
        super().connectionLost(reason)

    def dropConnection(self, abort: bool = False) -> None:  # noqa: N802  # autobahn's name
        """End the connection where autobahn does, behind what was written."""
        self._unwatch()
        super().dropConnection(abort)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: N802, N803  # autobahn's
        """Pass a message on, and hold the peer back until the application has taken it."""
        if not self._input.failed:  # autobahn delivers text all the same that it has found wrong
            self._count()
            super().onMessage(payload, isBinary)

    def _fail_connection(self, code: int = 1001, reason: str = "") -> None:
        """Tell what autobahn has found, once, and leave the close frame to the session."""
        if self._input.failed:
            return
        self._input.failed = True
        self._tell({"type": "turnout.failed", "error": found_by_host(code, reason)})

    # daphne's calls

    def handle_reply(self, message: Any) -> None:
        """Do what the application asks."""
        kind = message["type"]
        if kind == "websocket.accept":
            self.handshake_deferred.callback((message.get("subprotocol"), _headers(message)))
            del self.handshake_deferred
        elif kind == "websocket.http.response.start":
            self._denial = [_head(message["status"], message.get("headers", ()))]
        elif kind == "websocket.http.response.body":
            self._deny(message)
        elif kind == "websocket.send":
            self._write_message(message)
        elif kind == "websocket.close" and self.state != self.STATE_CONNECTING:
            self.sendCloseFrame(message.get("code", 1000), message.get("reason", "").encode())
        else:
            super().handle_reply(message)

    async def receive(self) -> Event:
        """Return the next event; the peer may send more when all are taken."""
        event: Event = await self.application_queue.get()
        if event["type"] in COUNTED:
            self._waiting -= 1
            if not self._waiting:
                self.transport.resumeProducing()
                self._receive_more()
        return event

    # The application's calls, by `DaphneFrames`

    def begin(self, connection: FramedConnection) -> None:
        """Guard from now on."""
        self._input.begin(connection)
        self._receive(b"")

    def write_now(self, event: Mapping[str, Any]) -> bool:
        """Do at once what daphne would do in a task."""
        if self.flow.paused or self.state not in {self.STATE_OPEN, self.STATE_CLOSING}:
            return False
        if event["type"] == "turnout.ping":
            self.sendPing(event["payload"])
        elif event["type"] == "turnout.pong":
            self.sendPong(event["payload"])
        elif event["type"] == FRAME:
            self.write_frame(event["payload"])
        elif event["type"] in {"websocket.send", "websocket.close"}:
            self.handle_reply(event)
        else:
            return False
        return True

    def write_frame(self, frame: bytes) -> None:
        """Write a frame; none goes behind a close frame."""
        if self.state == self.STATE_OPEN and not self._input.closed:
            self.sendData(frame)

    def end(self) -> None:
        """End this direction, or all when the other has ended."""
        self.transport.resumeProducing()  # what is left unread would make the kernel send a reset
        self._unwatch()
        if self._ended or self._input.closed or not hasattr(self.transport, "loseWriteConnection"):
            self.transport.loseConnection()
        else:
            self._ended = True
            self.transport.loseWriteConnection()

    # In between

    def _unwatch(self) -> None:
        """Let the transport end: with a producer, one of TLS never does, one of TCP seldom."""
        self.flow.stopProducing()
        self.transport.unregisterProducer()

    def _write_message(self, message: Any) -> None:
        if self._input.closed:
            return  # the peer's close frame is answered, and autobahn raises for what comes behind
        text = message.get("text")
        payload = message["bytes"] if text is None else text.encode()
        self.sendMessage(payload, isBinary=text is None)

    def _receive(self, data: bytes) -> None:
        self._input.writing_paused = self.flow.paused
        self._take(self._input.receive(data))

    def _receive_more(self) -> None:
        """Take what waited until the application had taken what came before."""
        if self._input.waits:
            self._input.writing_paused = self.flow.paused
            self._take(self._input.more())
            if self._input_ended and not self._input.waits:
                self._end_input()

    def _take(self, input_: Iterable[bytes | Event]) -> None:
        for one in input_:
            if isinstance(one, bytes):
                super().dataReceived(one)
            else:
                if one["type"] == "turnout.closing":
                    self._answer_close(one)
                self._tell(one)

    def _answer_late_ping(self) -> None:
        late = self._input.resume()
        if late:
            assert isinstance(late, bytes), "pings are autobahn's to answer"
            super().dataReceived(late)

    def _answer_close(self, event: Event) -> None:
        code, reason = event["code"], event["reason"]
        if code == NO_CODE:
            self.sendCloseFrame(isReply=True)
        else:
            self.sendCloseFrame(code, reason.encode(), isReply=True)

    def _tell(self, event: Event) -> None:
        if self._input.deliver(event):
            return
        if event["type"] in COUNTED:
            self._count()
        self.application_queue.put_nowait(event)

    def _count(self) -> None:
        self._waiting += 1
        if self._waiting == 1:
            self.transport.pauseProducing()

    def _deny(self, message: Any) -> None:
        assert self._denial is not None, "the body of a refusal comes after its start"
        self._denial.append(message.get("body", b""))
        if message.get("more_body"):
            return
        self.transport.write(b"".join(self._denial))
        del self.handshake_deferred
        self.dropConnection(abort=False)


NO_CODE = 1005
COUNTED = frozenset(("websocket.receive", "turnout.ping", "turnout.pong"))
"""What a peer can send without an end."""


def _headers(message: Any) -> dict[str, list[str]]:
    fields: dict[str, list[str]] = {}
    for name, value in message.get("headers", ()):
        fields.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))
    return fields


def _head(status: int, headers: Any) -> bytes:
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode()]
    lines += [name + b": " + value for name, value in headers if name != b"connection"]
    return b"\r\n".join([*lines, b"Connection: close", b"", b""])

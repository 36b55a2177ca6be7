"""What a shim inside an ASGI host tells turnout's application beyond ASGI, and does for it.

ASGI knows no pings, no difference between a peer that closed and one that vanished, and no way to
cut a connection. A host whose connection is in Python can be asked for all of that: a shim puts its
`Frames` into the scope, under `extensions`, and further events among those of the host, in order:

    turnout.ping, turnout.pong    with `message`; a ping has been answered
    turnout.failed                with `error`, the violation that a `FrameGuard` found
    turnout.closing               with `code` and `reason`; the peer's close frame, answered
    websocket.disconnect          only now: the connection is gone
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from turnout.close import CloseStatus
from turnout.errors import InvalidPayloadError, ProtocolError
from turnout.messages import PingMessage, PongMessage
from turnout.protocol.receivers import NOT_UTF8
from turnout.session.connection import Connection
from turnout_compat.frame_guard import FrameGuard

if TYPE_CHECKING:
    from turnout.options import WebSocketOptions
    from turnout.protocol.extensions import DeflateParameters
    from turnout_compat.frame_guard import ControlFrame

__all__ = [
    "FRAME",
    "IN_A_ROW",
    "FramedConnection",
    "Frames",
    "GuardedInput",
    "found_by_host",
    "frames_of",
    "offer_frames",
]

EXTENSION: Final = "turnout.frames"
FRAME: Final = "turnout.frame"
"""The event that has a frame for its `payload`, which turnout has made."""
IN_A_ROW: Final = 64
"""Messages that come from a host until the other connections have their turn."""
Event: TypeAlias = "dict[str, Any]"


class FramedConnection(Connection):
    """A connection of turnout's over a host that has `Frames`."""

    options: WebSocketOptions
    deflate: DeflateParameters | None

    @abstractmethod
    def take_messages(self, passed_on: int, guard: FrameGuard) -> None:
        """Take messages at once, past the host, while the guard has any by `next_message`.

        None are taken while some of the `passed_on` messages and events are still on their way
        through the host, or the session takes no more; then they have to go that way too. Raises
        what `next_message` raises.
        """

    @abstractmethod
    def take_event(self, passed_on: int, event: Event) -> bool:
        """Take a `turnout.` event at once, as `take_messages` does; tell whether it was taken."""

    @abstractmethod
    def take_control(self, message: PingMessage | PongMessage) -> bool:
        """Take a ping or pong at once where nobody sees it in its turn; tell whether it was."""


class Frames(ABC):
    """One WebSocket of a host, as turnout's connection sees it below the events of ASGI."""

    @abstractmethod
    def begin(self, connection: FramedConnection) -> None:
        """Guard what the peer sends by the connection's options, first what came early.

        Called once, when the host has sent its 101; sets `connection.heard` from then on. With
        `connection.deflate`, the host reads what was compressed as plain frames.
        """

    def write_now(self, event: Mapping[str, Any]) -> bool:
        """Write what the connection sends, if the host need not wait for that; tell whether it was.

        The events are those of the application, and `turnout.ping`, `turnout.pong` and
        `FRAME`, each with its `payload`, the last with the bytes of a frame. In a task of
        its own each comes turns of the loop later, and a turn may be long: a close frame could come
        behind `close_timeout`.
        """
        return False

    @abstractmethod
    async def ping(self, payload: bytes) -> None:
        """Send a ping."""

    @abstractmethod
    async def pong(self, payload: bytes) -> None:
        """Send a pong that nobody has asked for."""

    @abstractmethod
    async def write(self, frame: bytes) -> None:
        """Write a frame as it is, while the peer reads as fast as it is written to."""

    @abstractmethod
    async def end(self) -> None:
        """End the connection once the close frame is written and the peer could read it."""

    @abstractmethod
    def abort(self) -> None:
        """Cut the connection now."""


def offer_frames(scope: Any, frames: Frames) -> None:
    """Put a host's frames into the scope of its WebSocket; middleware passes them on."""
    scope.setdefault("extensions", {})[EXTENSION] = {"frames": frames}


def frames_of(scope: Any) -> Frames | None:
    """Return the frames that the host of a scope offers, or None."""
    extension = (scope.get("extensions") or {}).get(EXTENSION)
    return None if extension is None else extension["frames"]


class GuardedInput:
    """Lets through to a host's own parser what it may read, and tells what it would not tell.

    A whole message in one frame need not go there: the connection takes it at once if it can.

    With `keeps_close`, the host does not see the peer's close frame, and has to answer it when it
    passes `turnout.closing` on. With `checks_text`, it gets no text that is no UTF-8.
    With `keeps_pongs`, it gets no pongs: a host that sends no pings has no use for a flood of them.
    With `keeps_pings`, no pings either, and has to answer each that comes as `turnout.answer` with
    its `payload`: a host that answers in a task of its own would owe an answer to all it has got.
    With `paced`, what comes behind so many messages waits for `more`: a host would read on for as
    long as there is something, and nobody else have his turn. It is one message where they are
    compressed: a queue that knows no bound would hold everything inflated.
    """

    def __init__(
        self,
        *,
        keeps_close: bool = False,
        keeps_pings: bool = False,
        keeps_pongs: bool = False,
        checks_text: bool = False,
        paced: bool = False,
    ) -> None:
        self._pace = IN_A_ROW if paced else None
        self._left = 0
        self._waits = False
        self._keeps_close = keeps_close
        self._keeps_pings = keeps_pings
        self._keeps_pongs = keeps_pongs
        self._checks_text = checks_text
        self.writing_paused = False
        self.failed = False
        self.closed = False
        self.messages = 0
        self._passed_on = 0
        self._guard: FrameGuard | None = None
        self._connection: FramedConnection | None = None
        self._early = b""
        self._late_ping: bytes | Event | None = None

    @property
    def early_size(self) -> int:
        """How much waits for `begin`."""
        return len(self._early)

    @property
    def waits(self) -> bool:
        """True until `more` is called behind a message, if there was one."""
        return self._waits and not (self.failed or self.closed)

    @property
    def has_late_ping(self) -> bool:
        """True while a ping waits for `resume`."""
        return self._late_ping is not None

    def begin(self, connection: FramedConnection) -> None:
        """Hold nothing back any more; `receive(b"")` then gives what was."""
        options, deflate = connection.options, connection.deflate
        if self._pace is not None and deflate is not None:
            self._pace = 1
        self._left = self._pace or 0
        self._guard = FrameGuard(options, deflate, checks_text=self._checks_text)
        self._connection = connection

    def receive(self, data: bytes) -> Iterable[bytes | Event]:
        """Return, in order, bytes that the host may read and events that it is to pass on."""
        guard, connection = self._guard, self._connection
        if guard is None or connection is None:
            self._early += data
            return ()
        connection.heard = True
        if self._early:
            data, self._early = self._early + data, b""
        if self.failed or self.closed:
            return ()
        guard.receive_data(data)
        if self._waits:
            return ()
        try:
            connection.take_messages(self._passed_on, guard)
        except ProtocolError as error:
            return (self._fail(error),)
        return () if guard.is_drained else self._read(guard)

    def more(self) -> Iterator[bytes | Event]:
        """Yield what waited behind a message; to be called when the application has taken that."""
        self._waits = False
        self._left = self._pace or 0
        if self._guard is not None and not (self.failed or self.closed):
            yield from self._read(self._guard)

    def wait_no_more(self) -> None:
        """Let nothing wait from now on; `more` is to be called once more if something does."""
        self._pace = None

    def _read(self, guard: FrameGuard) -> Iterator[bytes | Event]:
        try:
            while not self._waits and (piece := guard.next_piece()) is not None:
                control = guard.take_control()
                if isinstance(control, CloseStatus) and self._keeps_close:
                    self.closed = True
                    code, reason = control.code, control.reason
                    yield {"type": "turnout.closing", "code": code, "reason": reason}
                    return
                if piece[1] and control is None:
                    self._count_message()
                yield from self._pass_on(piece[0], control)
                if self._late_ping is not None and not self.writing_paused:
                    yield self.resume()
        except ProtocolError as error:
            yield self._fail(error)

    def deliver(self, event: Event) -> bool:
        """Give an event to the connection at once, past the host; tell whether it was taken.

        If not, the host has to pass it on, behind all that is on its way.
        """
        if self._connection is not None and self._connection.take_event(self._passed_on, event):
            return True
        self._passed_on += 1
        return False

    def _fail(self, error: ProtocolError) -> Event:
        self.failed = True
        return {"type": "turnout.failed", "error": error.with_traceback(None)}

    def _count_message(self) -> None:
        self.messages += 1
        self._passed_on += 1
        if self._pace is not None:
            self._left -= 1
            self._waits = self._left <= 0

    def resume(self) -> bytes | Event:
        """Return the ping that had to wait until the host's transport takes more, if one did.

        It is the ping's bytes, or the event in their place; empty if there is none.

        In the middle of a frame there is none: it comes out of `receive` behind that frame.
        """
        self.writing_paused = False
        if self._late_ping is None or self._guard is None or not self._guard.between_frames:
            return b""
        ping, self._late_ping = self._late_ping, None
        return ping

    def _pass_on(self, frame: bytes, control: ControlFrame | None) -> Iterator[bytes | Event]:
        if isinstance(control, PingMessage):
            # RFC 6455 section 5.5.3 lets us answer the latest ping only: a flood of pings from a
            # peer that does not read fills no memory.
            ping = self._ping_for_host(frame, control)
            if self.writing_paused:
                self._late_ping = ping
            else:
                yield ping
            yield from self._tell("turnout.ping", control)
        elif isinstance(control, PongMessage):
            if not self._keeps_pongs:
                yield frame
            yield from self._tell("turnout.pong", control)
        else:
            yield frame

    def _ping_for_host(self, frame: bytes, ping: PingMessage) -> bytes | Event:
        if self._keeps_pings:
            return {"type": "turnout.answer", "payload": ping.payload}
        return frame

    def _tell(self, kind: str, message: PingMessage | PongMessage) -> Iterator[Event]:
        assert self._connection is not None
        if not self._connection.take_control(message):
            yield {"type": kind, "message": message}


def found_by_host(code: int, what: str) -> ProtocolError:
    """Return the error for what a host found behind a guard: as a rule, text that is no UTF-8."""
    if code == InvalidPayloadError.code:
        return InvalidPayloadError(NOT_UTF8)
    return ProtocolError(f"the server refused a frame: {what}")

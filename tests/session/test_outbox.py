"""The way out of a session: in order, never interleaved, bounded in bytes and in time."""

from __future__ import annotations

from itertools import groupby

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.session.manual import ManualConnection, ManualRuntime

from turnout import (
    BinaryMessage,
    CloseStatus,
    ConnectionClosed,
    Overflow,
    TextMessage,
    UsageError,
    WebSocketOptions,
)
from turnout.messages import Message
from turnout.protocol.prepared import PreparedMessage
from turnout.session.inbox import OVERHEAD
from turnout.session.outbox import SLICE, Outbox, Waiting

LIMIT = 1000
TIMEOUT = 5.0
CLOSED = CloseStatus(4500)


def closed_error() -> ConnectionClosed:
    """Return what a sender gets from a session that is over."""
    return ConnectionClosed(CLOSED, "local")


class Out:
    """An outbox with everything around it."""

    def __init__(self, overflow: Overflow = Overflow.TERMINATE) -> None:
        self.runtime = ManualRuntime()
        self.connection = ManualConnection()
        self.overflows = 0
        options = WebSocketOptions(send_buffer=LIMIT, send_timeout=TIMEOUT, overflow=overflow)
        self.outbox = Outbox(self.connection, self.runtime, options, self._overflowed)

    def _overflowed(self) -> None:
        self.overflows += 1
        self.outbox.shut(closed_error)
        self.outbox.discard()


def text(size: int) -> TextMessage:
    return TextMessage("x" * size)


def test_a_writable_engine_gets_the_message_at_once() -> None:
    out = Out()
    assert out.outbox.post(text(3)) is None
    assert out.connection.sent == [text(3)]
    assert out.runtime.timers == 0


def test_a_single_stuck_send_times_out_by_itself() -> None:
    """Nobody else has to send for the limit to be noticed."""
    out = Out()
    out.outbox.pause()
    waiting = out.outbox.post(text(3))
    assert waiting is not None
    out.runtime.advance(TIMEOUT - 0.01)
    assert not waiting.settled
    out.runtime.advance(0.02)
    assert out.overflows == 1
    assert isinstance(waiting.error, ConnectionClosed)
    with pytest.raises(ConnectionClosed):
        out.outbox.post(text(1))


def test_progress_restarts_the_send_timeout() -> None:
    """The limit is for one message to be taken, not for the queue to become empty."""
    out = Out()
    out.outbox.pause()
    for _ in range(3):
        out.outbox.post(text(3))
    for _ in range(3):
        out.runtime.advance(TIMEOUT - 0.1)
        take_one(out)
    assert out.overflows == 0
    assert len(out.connection.sent) == 3


def take_one(out: Out) -> None:
    """Let the engine take exactly one message."""
    send = out.connection.send

    def take_and_pause(message: Message) -> None:
        send(message)
        out.outbox.pause()

    out.connection.send = take_and_pause  # type: ignore[method-assign]
    out.outbox.resume()
    out.connection.send = send  # type: ignore[method-assign]


def test_the_buffer_limit_terminates() -> None:
    """The limit and one message may wait; the next one is too many."""
    out = Out()
    out.outbox.pause()
    out.outbox.post(text(LIMIT))
    assert out.outbox.waiting_bytes == LIMIT + OVERHEAD
    with pytest.raises(ConnectionClosed):
        out.outbox.post(text(1))
    assert out.overflows == 1
    assert out.outbox.waiting_bytes == 0


def test_drop_makes_room_by_the_oldest() -> None:
    out = Out(Overflow.DROP)
    out.outbox.pause()
    first = out.outbox.post(text(LIMIT))
    second = out.outbox.post(text(1))
    assert first is not None
    assert first.settled
    assert first.error is None
    assert second is not None
    assert not second.settled
    assert out.outbox.dropped == 1
    out.outbox.resume()
    assert out.connection.sent == [text(1)]
    assert out.overflows == 0


def test_drop_applies_to_the_timeout_too() -> None:
    """The message that was stuck is dropped, and the session lives on."""
    out = Out(Overflow.DROP)
    out.outbox.pause()
    out.outbox.post(text(1))
    out.runtime.advance(TIMEOUT + 1)
    assert out.outbox.dropped == 1
    assert out.overflows == 0


def test_whole_messages_wait_for_a_fragmented_one() -> None:
    out = Out()
    out.outbox.post(TextMessage("a", is_last=False))
    whole = out.outbox.post(text(1))
    broadcast = out.outbox.post(PreparedMessage(text(2)))
    assert whole is not None
    assert broadcast is not None
    assert not whole.settled
    out.outbox.post(TextMessage("b", is_first=False))
    assert whole.settled
    assert broadcast.settled
    assert [message.payload for message in out.connection.sent] == ["a", "b", "x", "xx"]


@pytest.mark.parametrize(
    "message",
    [TextMessage("b", is_first=False), BinaryMessage(b"b", is_first=False, is_last=False)],
)
def test_a_piece_without_a_beginning_is_refused(message: Message) -> None:
    with pytest.raises(UsageError, match="is_first=False"):
        Out().outbox.post(message)


def test_a_piece_of_another_kind_is_refused() -> None:
    out = Out()
    out.outbox.post(TextMessage("a", is_last=False))
    with pytest.raises(UsageError, match="its own kind"):
        out.outbox.post(BinaryMessage(b"b", is_first=False))


def test_a_sender_that_never_has_to_wait_gives_way() -> None:
    """After a slice of sends it waits for its next turn, and what it sent is not delayed."""
    out = Out()
    results = [out.outbox.post(text(1)) for _ in range(SLICE)]
    assert len(out.connection.sent) == SLICE
    assert all(result is None for result in results[:-1])
    assert results[-1] is not None
    out.runtime.advance(0)
    assert results[-1].settled


class OutboxMachine(RuleBasedStateMachine):
    """Any order of sends, pauses and time: what arrives is in order, whole, and bounded."""

    overflow = Overflow.TERMINATE

    def __init__(self) -> None:
        super().__init__()
        self.out = Out(self.overflow)
        self.numbers = iter(range(10**6))
        self.waiting: list[Waiting] = []
        self.open: str | None = None
        self.largest = 0

    def _post(self, message: Message | PreparedMessage) -> None:
        held = message.message if isinstance(message, PreparedMessage) else message
        self.largest = max(self.largest, len(held.payload) + OVERHEAD)
        try:
            waiting = self.out.outbox.post(message)
        except ConnectionClosed:
            assert self.out.overflows == 1
            return
        if waiting is not None:
            self.waiting.append(waiting)

    @rule(size=st.integers(0, 300), prepared=st.booleans())
    def send_whole(self, size: int, prepared: bool) -> None:
        message = TextMessage(f"whole {next(self.numbers)} " + "x" * size)
        self._post(PreparedMessage(message) if prepared else message)

    @precondition(lambda self: self.open is None and not self.out.overflows)
    @rule()
    def begin_fragments(self) -> None:
        self.open = f"piece {next(self.numbers)}"
        self._post(TextMessage(self.open, is_last=False))

    @precondition(lambda self: self.open is not None and not self.out.overflows)
    @rule(last=st.booleans())
    def go_on_with_fragments(self, last: bool) -> None:
        assert self.open is not None
        message = TextMessage(self.open, is_first=False, is_last=last)
        if last:
            self.open = None
        self._post(message)

    @rule()
    def pause(self) -> None:
        self.out.outbox.pause()

    @rule()
    def resume(self) -> None:
        self.out.outbox.resume()

    @rule()
    def take_one(self) -> None:
        take_one(self.out)

    @rule(seconds=st.floats(0, TIMEOUT * 2))
    def let_time_pass(self, seconds: float) -> None:
        self.out.runtime.advance(seconds)

    @invariant()
    def nothing_interleaves(self) -> None:
        """Pieces of one message stand together, begin with the first and end with the last."""
        sent = [m for m in self.out.connection.sent if m.payload.startswith("piece")]
        for _, group in groupby(sent, key=lambda message: message.payload):
            pieces = list(group)
            assert [piece.is_first for piece in pieces] == [True] + [False] * (len(pieces) - 1)
        inside = False
        for message in self.out.connection.sent:
            assert message.is_first is not inside
            inside = not message.is_last

    @invariant()
    def whole_messages_keep_their_order(self) -> None:
        numbers = [
            int(message.payload.split()[1])
            for message in self.out.connection.sent
            if message.payload.startswith("whole")
        ]
        assert numbers == sorted(set(numbers))

    @invariant()
    def what_waits_is_bounded(self) -> None:
        assert self.out.outbox.waiting_bytes <= LIMIT + self.largest

    @invariant()
    def everyone_settles_at_the_end(self) -> None:
        if self.out.overflows:
            assert all(waiting.settled for waiting in self.waiting)
            assert self.out.outbox.waiting_bytes == 0


class DroppingOutboxMachine(OutboxMachine):
    """The same with DROP."""

    overflow = Overflow.DROP


TestOutbox = OutboxMachine.TestCase
TestOutbox.settings = settings(max_examples=100, deadline=None)
TestDroppingOutbox = DroppingOutboxMachine.TestCase
TestDroppingOutbox.settings = settings(max_examples=100, deadline=None)

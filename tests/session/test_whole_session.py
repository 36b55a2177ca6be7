"""A whole session, whatever happens in whatever order: calls of a handler, of the engine, time."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.session.manual import ManualConnection
from tests.session.test_closing import CLOSE_TIMEOUT, make_session

from turnout import (
    BinaryMessage,
    CloseStatus,
    ConnectionClosed,
    Message,
    MessageTooBigError,
    Overflow,
    PingMessage,
    PongMessage,
    TextMessage,
    UsageError,
)
from turnout.session.closing import ANSWER_TIME, GRACE
from turnout.session.inbox import OVERHEAD

RECEIVE_BUFFER, SEND_BUFFER, LARGEST = 600, 800, 400
ENOUGH = CLOSE_TIMEOUT + ANSWER_TIME + GRACE + 1
sizes = st.sampled_from([0, 100, LARGEST, LARGEST])


class Call:
    """A call of a handler that may have to wait."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], message: Message | None = None) -> None:
        self._coroutine = coroutine
        self._waits_for: Any = None
        self.message = message
        self.result: Any = None
        self.error: Exception | None = None
        self.done = False
        self.returned = False

    def step(self) -> None:
        """Run on, if what it waits for has come."""
        while not self.done and (self._waits_for is None or self._waits_for.woken):
            try:
                self._waits_for = self._coroutine.send(None)
            except StopIteration as end:
                self.result, self.done, self.returned = end.value, True, True
            except (ConnectionClosed, UsageError) as error:
                self.error, self.done = error, True

    def cancel(self) -> None:
        """Give up."""
        self._coroutine.close()
        self.done = True


class StrictConnection(ManualConnection):
    """An engine that notes what a session may not ask of it."""

    def __init__(self) -> None:
        super().__init__()
        self.mistakes: list[str] = []

    def send(self, message: Message) -> None:
        self._expect_open(message)
        super().send(message)

    def send_close(self, status: CloseStatus) -> None:
        self._expect_open(status)
        super().send_close(status)

    def _expect_open(self, what: object) -> None:
        if self.closes or self.ended:
            self.mistakes.append(f"{what} after {self.closes or self.ended}")


class WholeSession(RuleBasedStateMachine):
    """The model: what was delivered, what was sent, and the calls that are under way."""

    overflow = Overflow.TERMINATE

    def __init__(self) -> None:
        super().__init__()
        self.connection = StrictConnection()
        self.session, _, self.runtime = make_session(
            connection=self.connection,
            receive_buffer=RECEIVE_BUFFER,
            send_buffer=SEND_BUFFER,
            overflow=self.overflow,
        )
        self.delivered: list[Message] = []
        self.received: list[Message] = []
        self.sends: list[Call] = []
        self.calls: list[Call] = []
        self.receiver: Call | None = None
        self.number = 0
        self.input_ended = False
        self.lost = False
        self.states: list[str] = []
        self.status: CloseStatus | None = None
        self.steps_before_the_end = 0

    @initialize(steps=st.integers(0, 40))
    def live_a_while(self, steps: int) -> None:
        """Let nobody end the session before: the end would come too soon to see much."""
        self.steps_before_the_end = steps

    @property
    def may_end(self) -> bool:
        """True when something may end the session."""
        return len(self.states) > self.steps_before_the_end and not self.lost

    # What handlers do

    @rule(size=sizes, binary=st.booleans())
    def send(self, size: int, binary: bool) -> None:
        message = self.message(size, binary=binary)
        call = Call(self.session.send(message), message)
        self.sends.append(call)
        self.begin(call)

    @precondition(lambda self: self.receiver is None)
    @rule()
    def receive(self) -> None:
        self.receiver = Call(self.session.receive())
        self.begin(self.receiver)

    @precondition(lambda self: self.receiver is not None)
    @rule()
    def receive_beside_another(self) -> None:
        second = Call(self.session.receive())
        second.step()
        assert isinstance(second.error, UsageError), "two receivers at once"

    @rule()
    def ping(self) -> None:
        self.begin(Call(self.session.ping()))

    @precondition(lambda self: self.may_end)
    @rule(code=st.sampled_from([1000, 4001]))
    def close(self, code: int) -> None:
        if self.session.is_open and not self.input_ended:
            self.delivered = list(self.received)  # what was not taken is nobody's any more
        self.begin(Call(self.session.close(code, "bye")))

    @precondition(lambda self: self.calls)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        call = data.draw(st.sampled_from(self.calls))
        call.cancel()
        self.calls.remove(call)
        if call is self.receiver:
            self.receiver = None

    # What the engine does

    @precondition(lambda self: self.connection.reading and not self.input_ended and not self.lost)
    @rule(size=sizes, binary=st.booleans())
    def message_arrives(self, size: int, binary: bool) -> None:
        message = self.message(size, binary=binary)
        if self.session.is_open:
            self.delivered.append(message)
        self.session.message_received(message)

    @precondition(lambda self: not self.input_ended and not self.lost)
    @rule(answers=st.booleans())
    def control_frame_arrives(self, answers: bool) -> None:
        pings = [one.payload for one in self.connection.sent if isinstance(one, PingMessage)]
        if answers and pings:
            self.session.pong_received(PongMessage(pings[-1]))
        else:
            self.session.ping_received(PingMessage(b"ping"))

    @precondition(lambda self: self.may_end and not self.input_ended)
    @rule(code=st.sampled_from([1000, 1001, 4321]))
    def close_frame_arrives(self, code: int) -> None:
        self.input_ended = True
        self.session.close_received(CloseStatus(code))

    @precondition(lambda self: self.may_end and not self.input_ended)
    @rule()
    def violation_arrives(self) -> None:
        self.input_ended = True
        self.session.failed(CloseStatus(1009), MessageTooBigError("too big"))

    @precondition(lambda self: not self.lost)
    @rule()
    def engine_is_full(self) -> None:
        self.session.pause_writing()

    @precondition(lambda self: not self.lost)
    @rule()
    def engine_takes_more(self) -> None:
        self.session.resume_writing()
        assert self.session.waiting_bytes == 0, "kept back for nobody"

    @precondition(lambda self: self.may_end)
    @rule(error=st.sampled_from([None, ConnectionResetError()]))
    def connection_is_lost(self, error: Exception | None) -> None:
        self.lost = True
        self.session.connection_lost(error)

    @rule(seconds=st.sampled_from([0.0, 0.3, 2.0, 5.0, 11.0]))
    def time_passes(self, seconds: float) -> None:
        self.runtime.advance(seconds)

    # What holds

    @invariant()
    def everybody_who_was_woken_goes_on(self) -> None:
        for call in list(self.calls):
            call.step()
            self.settle(call)

    @invariant()
    def engine_is_asked_nothing_too_late(self) -> None:
        assert self.connection.mistakes == []
        assert len(self.connection.closes) <= 1

    @invariant()
    def messages_come_in_order(self) -> None:
        assert self.received == self.delivered[: len(self.received)]

    @invariant()
    def messages_go_in_order_and_once(self) -> None:
        posted = [call.message for call in self.sends]
        went = [one for one in self.connection.sent if not isinstance(one, PingMessage)]
        places = [posted.index(message) for message in went]
        assert places == sorted(set(places))
        for call in self.sends:
            if isinstance(call.error, ConnectionClosed):
                assert call.message not in went, "a send that has failed was sent"
            elif call.returned and self.overflow is Overflow.TERMINATE:
                assert call.message in went, "a send that has returned was not sent"

    @invariant()
    def buffers_are_bounded(self) -> None:
        assert self.session.waiting_bytes <= SEND_BUFFER + LARGEST + OVERHEAD
        assert self.session._inbox._size <= RECEIVE_BUFFER + LARGEST + OVERHEAD

    @invariant()
    def state_goes_one_way(self) -> None:
        self.states.append(self.session.state)
        order = ["open", "closing", "closed"]
        assert self.states == sorted(self.states, key=order.index)
        assert (self.session.state == "closed") is self.lost
        assert (self.session.close_status is None) is self.session.is_open
        if self.status is not None:
            assert self.session.close_status == self.status
        self.status = self.session.close_status

    def teardown(self) -> None:
        """Whatever was begun, time and the engine bring it to an end."""
        if self.number % 2:  # else it ends with every timer still running
            self.session.begin_close(CloseStatus(1001))
            self.runtime.advance(ENOUGH)
            assert self.lost or self.connection.ended is not None, "nobody cuts it"
        if not self.lost:
            self.session.connection_lost(None)
            self.lost = True
        self.session.finished()
        # Who still receives gets what had come before; then the end.
        for _ in range(len(self.delivered) + 1):
            self.everybody_who_was_woken_goes_on()
            if self.receiver is None:
                self.receive()
        self.everybody_who_was_woken_goes_on()
        assert self.calls == [], "somebody waits for ever"
        self.runtime.advance(0)
        assert self.runtime.timers == 0
        assert self.session.waiting_bytes == 0

    # In between

    def message(self, size: int, *, binary: bool) -> Message:
        """Return a message that is like no other."""
        self.number += 1
        text = f"{self.number:04}".ljust(size, "x")
        return BinaryMessage(text.encode()) if binary else TextMessage(text)

    def begin(self, call: Call) -> None:
        """Run a call to its first wait."""
        self.calls.append(call)
        call.step()
        self.settle(call)

    def settle(self, call: Call) -> None:
        """Take what a call has come to."""
        if not call.done:
            return
        if call in self.calls:
            self.calls.remove(call)
        if call is self.receiver:
            self.receiver = None
            if call.error is None:
                self.received.append(call.result)


class DroppingSession(WholeSession):
    """The same, where a slow peer loses the oldest messages."""

    overflow = Overflow.DROP


def settings_of(machine: type[WholeSession]) -> Any:
    """Return the machine as a test, with more steps than usual."""
    case = machine.TestCase
    case.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
    return case


TestWholeSession = settings_of(WholeSession)
TestDroppingSession = settings_of(DroppingSession)

"""The end of a session: whoever begins it, it has one status, one close frame and an end."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.session.manual import ManualConnection, ManualRuntime

from turnout import (
    Capabilities,
    CloseStatus,
    ConnectionClosed,
    Headers,
    InvalidCloseError,
    MessageTooBigError,
    PingMessage,
    PongMessage,
    ProtocolError,
    SessionLimitExceeded,
    TextMessage,
    Upgrade,
    WebSocketHandler,
    WebSocketOptions,
    WebSocketSession,
)
from turnout.close import NO_CLOSE_FRAME
from turnout.drive import drive
from turnout.handlers.traits import prepare
from turnout.session.closing import ANSWER_TIME

CLOSE_TIMEOUT = 10.0
ManualStrategy = SimpleNamespace(name="manual", capabilities=Capabilities())
VIOLATION = CloseStatus(1009)


def make_session(
    connection: ManualConnection | None = None, **options: Any
) -> tuple[WebSocketSession, ManualConnection, ManualRuntime]:
    """Return an open session on a manual connection."""
    runtime, connection = ManualRuntime(), connection or ManualConnection()
    upgrade = Upgrade(
        uri="ws://test/",
        headers=Headers(),
        path_variables={},
        attributes={},
        principal=None,
        sub_protocol=None,
        extensions=(),
        deflate=None,
        response_headers=[],
        handler=prepare(WebSocketHandler(), lambda handler: handler),
        options=WebSocketOptions(close_timeout=CLOSE_TIMEOUT, **options),
        service=cast("Any", SimpleNamespace(strategy=ManualStrategy)),
    )
    session = WebSocketSession("id", upgrade, connection, runtime)
    connection.session = session
    session.start()
    return session, connection, runtime


def test_the_peers_close_is_answered_and_reported() -> None:
    session, connection, _ = make_session()
    session.close_received(CloseStatus(4321, "r"))
    assert connection.closes == [CloseStatus(4321, "r")]
    assert connection.ended == "closed"
    states: list[str] = [session.state]
    session.connection_lost(None)
    states.append(session.state)
    assert states == ["closing", "closed"]
    assert session.close_status == CloseStatus(4321, "r")


def test_a_close_waits_for_what_is_being_sent() -> None:
    session, connection, _ = make_session()
    session.pause_writing()
    session.post(TextMessage("before"))
    session.begin_close(CloseStatus(4001, "bye"))
    assert connection.closes == []
    session.resume_writing()
    assert connection.sent == [TextMessage("before")]
    assert connection.closes == [CloseStatus(4001, "bye")]


def test_a_peer_that_does_not_answer_is_cut() -> None:
    session, connection, runtime = make_session()
    session.begin_close(CloseStatus(1000))
    runtime.advance(CLOSE_TIMEOUT - 0.1)
    assert connection.ended is None
    runtime.advance(0.2)
    assert connection.ended == "aborted"


def test_nothing_is_sent_on_a_connection_that_was_cut() -> None:
    session, connection, runtime = make_session()
    session.pause_writing()
    waiting = session.post(TextMessage("before"))
    session.begin_close(CloseStatus(1000))
    runtime.advance(CLOSE_TIMEOUT)
    session.resume_writing()  # the engine has not said yet that it is gone
    session.failed(VIOLATION, ProtocolError("broken"))
    assert (connection.ended, connection.sent, connection.closes) == ("aborted", [], [])
    assert waiting is not None
    assert isinstance(waiting.error, ConnectionClosed)


def test_a_vanished_peer_is_1006() -> None:
    session, _, _ = make_session()
    error = ConnectionResetError()
    session.connection_lost(error)
    assert session.close_status == CloseStatus(1006)
    assert session.transport_error is error
    with pytest.raises(ConnectionClosed, match="without a close frame"):
        session.post(TextMessage("x"))


def test_a_violation_is_reported_with_its_code() -> None:
    session, connection, _ = make_session()
    session.failed(CloseStatus(1009, "too big"), MessageTooBigError("too big"))
    assert connection.closes == [CloseStatus(1009, "too big")]
    assert isinstance(session.transport_error, MessageTooBigError)


def test_what_came_before_a_violation_is_answered_first() -> None:
    session, connection, runtime = make_session()
    session.message_received(TextMessage("before"))
    session.failed(CloseStatus(1002), ProtocolError("broken"))
    assert drive(session.receive()) == TextMessage("before")
    drive(session.send("answer"))
    assert (connection.sent, connection.closes) == ([TextMessage("answer")], [])
    with pytest.raises(ConnectionClosed):
        drive(session.receive())
    assert connection.closes == [CloseStatus(1002)]
    assert connection.ended == "closed"
    runtime.advance(CLOSE_TIMEOUT)
    assert connection.ended == "aborted"


def test_of_two_violations_the_first_counts() -> None:
    session, connection, runtime = make_session()
    session.message_received(TextMessage("waits for its handler"))
    session.failed(VIOLATION, MessageTooBigError())
    session.failed(CloseStatus(1002), ProtocolError())
    runtime.advance(ANSWER_TIME)
    assert connection.closes == [VIOLATION]
    session.connection_lost(None)
    session.finished()
    assert runtime.timers == 0
    session.failed(CloseStatus(1002), ProtocolError())
    assert session.close_status == VIOLATION


@pytest.mark.parametrize("taken", [True, False])
def test_a_violation_does_not_wait_long_for_the_handler(taken: bool) -> None:
    session, connection, runtime = make_session()
    session.message_received(TextMessage("before"))
    if taken:
        drive(session.receive())
    session.failed(CloseStatus(1002), ProtocolError("broken"))
    runtime.advance(ANSWER_TIME - 0.1)
    assert session.is_open
    runtime.advance(0.2)
    assert connection.closes == [CloseStatus(1002)]
    assert connection.ended == "closed"


def test_a_handler_that_is_through_closes_with_the_violation() -> None:
    session, connection, _ = make_session()
    session.message_received(TextMessage("before"))
    session.failed(CloseStatus(1002), ProtocolError("broken"))
    session.begin_close(CloseStatus(1000))
    assert connection.closes == [CloseStatus(1002)]
    assert connection.ended == "closed"


def test_a_slow_reader_gets_4500() -> None:
    session, connection, runtime = make_session(send_timeout=1.0)
    session.pause_writing()
    session.post(TextMessage("x"))
    runtime.advance(1.1)
    assert connection.closes[0].code == 4500
    with pytest.raises(SessionLimitExceeded):
        session.post(TextMessage("x"))


@pytest.mark.parametrize(
    ("code", "reason"),
    [(1005, ""), (1006, ""), (1015, ""), (999, ""), (5000, ""), (1000, "ä" * 62)],
)
def test_a_close_that_may_not_be_sent_changes_nothing(code: int, reason: str) -> None:
    session, connection, _ = make_session()
    with pytest.raises(InvalidCloseError):
        session.close(code, reason).send(None)
    assert session.is_open
    assert connection.closes == []


def test_a_silent_peer_is_closed_with_1011() -> None:
    session, connection, runtime = make_session(ping_interval=5.0, ping_timeout=3.0)
    runtime.advance(5.0)
    assert [type(message) for message in connection.sent] == [PingMessage]
    session.pong_received(PongMessage(connection.sent[0].payload))
    runtime.advance(8.0)
    assert len(connection.sent) == 2
    assert session.is_open
    runtime.advance(3.0)
    assert session.close_status == CloseStatus(1011, "ping timeout")


@pytest.mark.parametrize("ping_timeout", [3.0, None])
def test_a_ping_that_finds_the_connection_lost_is_the_last(
    monkeypatch: pytest.MonkeyPatch, ping_timeout: float | None
) -> None:
    """An engine may tell of the end where it is asked to write."""
    session, connection, runtime = make_session(ping_interval=5.0, ping_timeout=ping_timeout)
    monkeypatch.setattr(connection, "send", lambda _: session.connection_lost(None))
    runtime.advance(5.0)
    assert session.close_status == NO_CLOSE_FRAME
    session.finished()
    assert runtime.timers == 0


def test_a_peer_that_is_held_back_is_not_silent() -> None:
    """Silence proves nothing while this side does not read."""
    session, _, runtime = make_session(ping_interval=5.0, ping_timeout=3.0, receive_buffer=0)
    session.message_received(TextMessage("x"))
    runtime.advance(60.0)
    assert session.is_open


@pytest.mark.parametrize("direction", ["in", "out"])
def test_idle_counts_messages_of_both_directions(direction: str) -> None:
    session, _, runtime = make_session(idle_timeout=4.0, ping_interval=1.0, ping_timeout=None)
    for _ in range(5):
        runtime.advance(3.0)
        assert session.is_open
        if direction == "in":
            session.message_received(TextMessage("x"))
        else:
            session.post(TextMessage("x"))
    runtime.advance(5.1)
    assert session.close_status == CloseStatus(1001, "idle timeout")


class ClosingMachine(RuleBasedStateMachine):
    """Everything that can end a session, in any order and more than once."""

    STATES = ("open", "closing", "closed")

    def __init__(self) -> None:
        super().__init__()
        self.session, self.connection, self.runtime = make_session(send_timeout=3.0)
        self.first: CloseStatus | None = None
        self.reached = 0
        self.unanswered = self.broken = self.lost = False

    def _note(self, status: CloseStatus) -> None:
        self.first = self.first or status

    @rule(code=st.integers(3000, 4999))
    def close_here(self, code: int) -> None:
        self._note(VIOLATION if self.broken else CloseStatus(code))
        self.session.begin_close(CloseStatus(code))

    @precondition(lambda self: not self.lost and not self.broken)
    @rule(code=st.integers(3000, 4999))
    def peer_closes(self, code: int) -> None:
        self._note(CloseStatus(code))
        self.session.close_received(CloseStatus(code))

    @precondition(lambda self: not self.lost and not self.broken)
    @rule()
    def peer_breaks_the_protocol(self) -> None:
        self.broken = True
        if not self.unanswered:
            self._note(VIOLATION)
        self.session.failed(VIOLATION, MessageTooBigError("x"))

    @rule()
    def handler_comes_back(self) -> None:
        if self.session._inbox.take() is None:
            self.unanswered = False
            if self.broken:
                self._note(VIOLATION)

    @rule()
    def send(self) -> None:
        if self.first is None:
            self.session.post(TextMessage("x"))
            return
        with pytest.raises(ConnectionClosed) as raised:
            self.session.post(TextMessage("x"))
        assert raised.value.status == self.first

    @precondition(lambda self: not self.lost)
    @rule(paused=st.booleans())
    def engine_holds(self, paused: bool) -> None:
        (self.session.pause_writing if paused else self.session.resume_writing)()

    @precondition(lambda self: not self.lost and not self.broken)
    @rule()
    def engine_delivers(self) -> None:
        self.unanswered = True
        self.session.message_received(TextMessage("x"))

    @rule(seconds=st.floats(0, 20))
    def let_time_pass(self, seconds: float) -> None:
        self.runtime.advance(seconds)
        if self.session.close_status is not None:  # a send may have timed out
            self._note(self.session.close_status)

    @precondition(lambda self: not self.lost)
    @rule()
    def engine_loses_the_connection(self) -> None:
        self.lost = True
        self._note(VIOLATION if self.broken else CloseStatus(1006))
        self.session.connection_lost(None)

    @invariant()
    def the_first_status_stays(self) -> None:
        assert self.session.close_status == self.first

    @invariant()
    def the_state_only_goes_on(self) -> None:
        reached = self.STATES.index(self.session.state)
        assert reached >= self.reached
        self.reached = reached
        assert (reached == 2) is self.lost
        assert (reached == 0) is (self.first is None)

    @invariant()
    def at_most_one_close_frame_and_nothing_behind_it(self) -> None:
        assert len(self.connection.closes) <= 1
        assert all(status == self.first for status in self.connection.closes)

    @invariant()
    def nothing_is_left_running(self) -> None:
        if self.lost:
            self.session.finished()
            assert self.runtime.timers == 0
            assert self.session.waiting_bytes == 0

    def teardown(self) -> None:
        """Whatever happened, close_timeout after the first word the connection is over."""
        if (self.first is not None or self.broken) and not self.lost:
            self.runtime.advance(ANSWER_TIME + CLOSE_TIMEOUT + 1)
            assert self.connection.ended == "aborted"


TestClosing = ClosingMachine.TestCase
TestClosing.settings = settings(max_examples=150, deadline=None)

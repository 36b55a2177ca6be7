"""Faults of the session, of its end and of what runs the handlers."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import turnout
import turnout.handlers.base as base_module
import turnout.paths as paths_module
import turnout.service as service_module
import turnout.session.closing as closing_module
import turnout.session.lifecycle as lifecycle_module
from catalogue import fault, replace
from turnout import CloseStatus, ConnectionClosed
from turnout.protocol.connection import StandardConnection
from turnout.runtime import settle
from turnout.service import WebSocketService
from turnout.session.closing import Closing
from turnout.session.keepalive import IdleWatch, Keepalive, Pings
from turnout.session.lifecycle import Lifecycle
from turnout.session.outbox import Outbox
from turnout.testing.agreed import DETAIL
from turnout.testing.rows import Row


def nothing(*args: Any) -> None:
    """Do nothing."""


def close_failures_with(status: CloseStatus) -> None:
    """Say something else than 1011 when a handler has raised."""

    def wrong(begin: Any) -> Any:
        return lambda self, given: begin(self, status if given.code == 1011 else given)

    replace(Closing, "begin", wrong)


@fault(Row.FAILURE, "test_stream_handler_raises", "test_callback_raises")
def leaked_detail() -> None:
    close_failures_with(CloseStatus(1011, DETAIL))


@fault(
    Row.FAILURE,
    "test_stream_handler_raises",
    "test_callback_raises",
    "test_failure_is_nobody_elses",
)
def failure_closes_with_1000() -> None:
    close_failures_with(CloseStatus(1000))


@fault(Row.FAILURE, "test_stream_handler_returns", "test_join")
def return_closes_with_1001() -> None:
    replace(lifecycle_module, "NORMAL", lambda _: CloseStatus(1001))


@fault(
    Row.SHUTDOWN,
    "test_sigterm_closes_everyone",
    "test_sigint",
    "test_shutdown_stops_accepting",
    "test_silent_peer_is_cut",
    "test_drain",
    "test_blocked_handler_is_cut",
    "test_handshake_while_draining",
    "test_session_begins_while_draining",
)
def no_goodbye() -> None:
    def cut(drain: Any) -> Any:
        async def drained(self: Any, *args: Any) -> None:
            for session in list(self._sessions.values()):
                session.connection.abort()
            await drain(self, *args)

        return drained

    replace(WebSocketService, "drain", cut)


@fault(Row.SHUTDOWN, "test_handshake_while_draining", "test_drain")
def handshakes_go_on_while_draining() -> None:
    replace(WebSocketService, "_check_draining", lambda _: nothing)


@fault(Row.SHUTDOWN, "test_session_begins_while_draining")
def handshakes_not_waited_for() -> None:
    replace(WebSocketService, "is_idle", lambda _: property(lambda self: not self._sessions))


@fault(Row.SHUTDOWN, "test_session_begins_while_draining")
def sessions_begin_while_draining() -> None:
    def forgetful(begin: Any) -> Any:
        def begin_session(self: WebSocketService, *args: Any) -> Any:
            self.draining = False
            return begin(self, *args)

        return begin_session

    replace(WebSocketService, "_begin", forgetful)


@fault(
    Row.VANISHED,
    "test_vanished_peer",
    "test_end_within_a_compressed_message",
    "test_iteration_ends",
    "test_send_to_a_vanished_peer",
    "test_half_a_close_frame",
    "test_end_while_the_server_sends",
    "test_end_within_a_message",
    "test_reset_within_a_message",
)
def vanishing_is_1000() -> None:
    replace(closing_module, "NO_CLOSE_FRAME", lambda _: CloseStatus(1000))


@fault(
    Row.VANISHED,
    "test_vanished_peer",
    "test_closed_exactly_once",
    "test_half_a_close_frame",
    "test_reset_within_a_message",
    "test_reset_behind_the_close",
    "test_end_behind_the_request",
    "test_failure_after_the_close",
    may_fail=("test_end_behind_the_close", "test_gone_before_the_last_words_are_read"),
)
def closed_twice() -> None:
    def twice(tell: Any) -> Any:
        async def told(self: Lifecycle, status: CloseStatus) -> None:
            await tell(self, status)
            await settle(self._handler.after_connection_closed(self._face, status))

        return told

    replace(Lifecycle, "_tell_closed", twice)


@fault(Row.KIND, "test_binary_to_a_text_handler", "test_text_to_a_binary_handler")
def any_kind() -> None:
    replace(base_module, "_not_acceptable", lambda _: nothing)


@fault(Row.SLOW_CONSUMER, "test_send_timeout")
def endless_patience() -> None:
    replace(Outbox, "_arm", lambda _: nothing)


@fault(Row.SLOW_CONSUMER, "test_overflow_terminates", "test_overflow_drops_the_oldest")
def boundless_buffer() -> None:
    replace(Outbox, "_make_room", lambda _: nothing)


@fault(Row.SLOW_CONSUMER, "test_overflow_drops_the_oldest")
def newest_dropped() -> None:
    def drop(self: Any) -> bool:
        self._size -= self._queue.pop().size
        return True

    replace(Outbox, "_drop_oldest", lambda _: drop)


@fault(Row.SLOW_HANDLER, "test_sender_is_held_back")
def sender_not_held_back() -> None:
    replace(StandardConnection, "pause_reading", lambda _: nothing)


@fault(Row.TIMEOUTS, "test_idle_timeout", "test_pings_do_not_count")
def endless_idling() -> None:
    replace(IdleWatch, "start", lambda _: nothing)


@fault(Row.TIMEOUTS, "test_ping_timeout")
def deaf_keepalive() -> None:
    replace(Keepalive, "_check", lambda _: lambda self: self.start())


@fault(Row.PINGS, "test_round_trip")
def any_pong_answers() -> None:
    def received(self: Any, payload: bytes) -> None:
        answered, self._pending = self._pending or {}, None
        for pending in answered.values():
            pending.answered_at = self._runtime.time()
            pending.waiter.wake()

    replace(Pings, "received", lambda _: received)


@fault(Row.STATES, "test_use_after_close", "test_close_by_the_handler_with_unsent_data")
def errors_without_the_status() -> None:
    wrong = ConnectionClosed(CloseStatus(1006), None)
    replace(Closing, "error", lambda _: lambda self: wrong)


@fault(
    Row.STATES,
    "test_close_twice",
    # A handler in a thread may close when the peer has.
    may_fail=("test_closed_in_the_segment_that_tells_to_close",),
)
def second_close_counts() -> None:
    def overwriting(begin: Any) -> Any:
        def begun(self: Closing, status: CloseStatus) -> None:
            begin(self, status)
            self.status = status

        return begun

    replace(Closing, "begin", overwriting)


@fault(Row.SESSION, "test_ids")
def guessable_ids() -> None:
    numbers = itertools.count()
    counting = SimpleNamespace(urandom=lambda size: next(numbers).to_bytes(size, "big"))
    replace(service_module, "os", lambda _: counting)


@fault(Row.SESSION, "test_path_variables")
def path_variables_as_sent() -> None:
    replace(paths_module, "unquote", lambda _: lambda text, errors="": text)


@fault(Row.SENDS, "test_broadcast", "test_broadcast_to_compressed_connections")
def broadcast_to_one() -> None:
    def to_one(broadcast: Any) -> Any:
        return lambda sessions, message: broadcast(list(sessions)[:1], message)

    replace(turnout, "broadcast", to_one)

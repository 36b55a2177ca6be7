"""Faults of closing and of noticing that the peer has gone."""

from __future__ import annotations

from typing import Any

from catalogue import fault, replace
from turnout import CloseStatus, ProtocolError
from turnout.close import NO_CLOSE_FRAME
from turnout.protocol.connection import StandardConnection
from turnout.protocol.driver import Driver
from turnout.protocol.encoder import FrameEncoder
from turnout.protocol.frames import CLOSE
from turnout.protocol.receivers import ControlFrame
from turnout.session.closing import Closing
from turnout.session.outbox import Outbox
from turnout.session.session import WebSocketSession
from turnout.testing.rows import Row


def nothing(*args: Any) -> None:
    """Do nothing."""


@fault(
    Row.CLOSE,
    "test_asyncio_beside_the_engine",
    "test_compressed_messages_across_a_close",
    "test_both_sides_close_at_once",
    "test_close_by_the_handler",
    "test_close_by_the_handler_with_unsent_data",
    "test_close_returns",
    "test_close_twice",
    "test_closed_in_the_segment_that_tells_to_close",
    "test_closing_state",
    "test_data_before_the_answer_to_a_close",
    "test_greenlet_bridge",
    "test_join",
    "test_line_breaks_in_a_close_reason",
    "test_messages_before_the_close",
    "test_stream_handler_returns",
    "test_use_after_close",
)
def second_close_frame() -> None:
    def again(received: Any) -> Any:
        def receive(self: Closing, status: CloseStatus) -> None:
            self._sent = False
            received(self, status)

        return receive

    replace(Closing, "received", again)


@fault(
    Row.CLOSE,
    "test_after_handshake",
    "test_compressed_messages_before_a_close",
    "test_binary",
    "test_byte_by_byte",
    "test_checks_come_before_interceptors",
    "test_close_between_pieces",
    "test_close_by_the_peer",
    "test_close_by_the_peer_with_unsent_data",
    "test_close_byte_by_byte",
    "test_close_within_a_fragmented_message",
    "test_close_without_a_code",
    "test_closed_exactly_once",
    "test_closed_in_the_segment_that_tells_to_close",
    "test_data_around_the_close_of_the_peer",
    "test_declaration_of_close_details",
    "test_end_behind_the_close",
    "test_failure_after_the_close",
    "test_half_a_close_frame",
    "test_nothing_after_the_close",
    "test_text",
    "test_vanished_peer",
)
def close_unanswered() -> None:
    def receive(self: Closing, status: CloseStatus) -> None:
        if self._enter(status, "remote"):
            self._session._inbox.end()
        self._session._outbox.discard()
        self._connection.close()

    replace(Closing, "received", lambda _: receive)


@fault(Row.CLOSE, "test_close_between_pieces", "test_close_within_a_fragmented_message")
def no_close_within_a_message() -> None:
    def strict(begin: Any) -> Any:
        def begun(self: Driver, header: Any) -> Any:
            if header.opcode == CLOSE and self._in_message():
                raise ProtocolError("not now")
            return begin(self, header)

        return begun

    replace(Driver, "_begin", strict)


@fault(Row.CLOSE, "test_close_by_the_peer_with_unsent_data")
def unsent_data_before_the_answer() -> None:
    def receive(self: Closing, status: CloseStatus) -> None:
        if self._enter(status, "remote"):
            self._session._inbox.end()

        def answer() -> None:
            self._send_close()
            self._connection.close()

        self._session._outbox.when_drained(answer)

    replace(Closing, "received", lambda _: receive)


@fault(Row.CLOSE, "test_close_by_the_handler_with_unsent_data")
def close_forgotten_behind_unsent_data() -> None:
    def when_drained(self: Outbox, callback: Any) -> None:
        if not self._queue:
            callback()

    replace(Outbox, "when_drained", lambda _: when_drained)


@fault(Row.CLOSE, "test_close_to_a_peer_that_does_not_read")
def close_without_a_deadline() -> None:
    replace(Closing, "_deadline", lambda _: nothing)


@fault(
    Row.CLOSE,
    "test_data_around_the_close_of_the_peer",
    # Only a message that waits is lost, and most are handled where they arrive.
    may_fail=(
        "test_closed_in_the_segment_that_tells_to_close",
        "test_compressed_messages_before_a_close",
    ),
)
def messages_lost_at_the_close() -> None:
    def losing(received: Any) -> Any:
        def receive(self: Closing, status: CloseStatus) -> None:
            self._session._inbox.clear()
            received(self, status)

        return receive

    replace(Closing, "received", losing)


@fault(
    Row.CLOSE,
    "test_callback_raises",
    "test_compressed_messages_across_a_close",
    "test_closed_exactly_once",
    "test_data_before_the_answer_to_a_close",
)
def messages_handled_while_closing() -> None:
    def send_close(self: StandardConnection, status: CloseStatus) -> None:
        self._write(self._driver.encode_close(status))
        self.resume_reading()

    def message_received(self: WebSocketSession, message: Any) -> None:
        self._inbox.put(message)

    replace(StandardConnection, "send_close", lambda _: send_close)
    replace(WebSocketSession, "message_received", lambda _: message_received)


@fault(
    Row.CLOSE,
    "test_close_byte_by_byte",
    may_fail=("test_byte_by_byte", "test_every_kind_of_frame_byte_by_byte"),
)
def control_frames_in_one_piece() -> None:
    def last_part_only(feed: Any) -> Any:
        def fed(self: ControlFrame, part: bytes, is_last: bool) -> Any:
            self._masked = b""
            return feed(self, part, is_last)

        return fed

    replace(ControlFrame, "feed", last_part_only)


@fault(Row.CLOSE, "test_line_breaks_in_a_close_reason")
def reasons_of_one_line() -> None:
    def first_line(encode: Any) -> Any:
        def encoded(self: FrameEncoder, status: CloseStatus) -> bytes:
            lines = status.reason.splitlines() or [""]
            return bytes(encode(self, CloseStatus(status.code, lines[0])))

        return encoded

    replace(FrameEncoder, "encode_close", first_line)


@fault(
    Row.VANISHED,
    "test_byte_by_byte",
    "test_compressed_messages_before_a_close",
    "test_close_between_pieces",
    "test_close_by_the_peer_with_unsent_data",
    "test_close_byte_by_byte",
    "test_close_within_a_fragmented_message",
    "test_close_without_a_code",
    "test_closed_exactly_once",
    "test_data_around_the_close_of_the_peer",
    "test_end_behind_the_close",
    "test_reset_behind_the_close",
    "test_declaration_of_close_details",
    "test_failure_after_the_close",
    # Which of both sides is first there is not settled for a thread.
    may_fail=("test_closed_in_the_segment_that_tells_to_close",),
)
def peers_code_reported_as_1000() -> None:
    def wrong(enter: Any) -> Any:
        def entered(self: Closing, status: CloseStatus, by: Any) -> Any:
            return enter(self, CloseStatus(1000) if by == "remote" else status, by)

        return entered

    replace(Closing, "_enter", wrong)


@fault(
    Row.VANISHED,
    "test_both_sides_close_at_once",
    "test_callback_raises",
    "test_close_by_the_peer",
    "test_close_returns",
    "test_close_to_a_peer_that_does_not_read",
    "test_close_twice",
    "test_close_within_a_fragmented_message",
    "test_close_without_a_code",
    "test_closed_exactly_once",
    "test_closed_in_the_segment_that_tells_to_close",
    "test_compressed_messages_across_a_close",
    "test_data_before_the_answer_to_a_close",
    "test_end_behind_the_close",
    "test_handler_hears_of_a_violation",
    "test_reset_instead_of_the_answer",
    "test_use_after_close",
    "test_violation_within_a_message",
    "test_declaration_of_close_details",
    "test_failure_at_a_transport_error",
    "test_violation_in_the_segment_of_a_message",
)
def loss_overwrites_the_status() -> None:
    def overwriting(lost: Any) -> Any:
        def lose(self: Closing) -> None:
            if self.state == "closing":
                self.status = NO_CLOSE_FRAME
            lost(self)

        return lose

    replace(Closing, "lost", overwriting)


@fault(
    Row.VANISHED,
    "(end of the server that all tests share)",
    "test_end_within_a_compressed_message",
    "test_end_behind_the_request",
    "test_end_while_the_server_sends",
    "test_end_within_a_message",
    "test_half_a_close_frame",
    "test_handler_hears_of_a_violation",
    "test_vanished_peer",
    "test_violation_within_a_message",
    "test_failure_at_a_transport_error",
    "test_violation_in_the_segment_of_a_message",
    "test_gone_before_the_last_words_are_read",
)
def end_of_stream_ignored() -> None:
    replace(StandardConnection, "eof_received", lambda _: lambda self: True)


@fault(Row.VANISHED, "test_end_while_the_server_sends")
def half_open_until_all_is_written() -> None:
    def end_input(self: StandardConnection) -> None:
        if not self._close_received and not self._failed:
            self._transport.close()

    replace(StandardConnection, "_end_input", lambda _: end_input)


@fault(
    Row.HOSTILE,
    "(end of the server that all tests share)",
    "test_iteration_ends",
    "test_reset_behind_the_close",
    "test_reset_instead_of_the_answer",
    "test_reset_within_a_message",
    "test_resets_while_shaking_hands",
    "test_send_to_a_vanished_peer",
    "test_vanished_peer",
    may_fail=(
        "test_gone_before_the_request_is_read",
        "test_flood_of_deflated_messages_that_are_taken",  # it leaves by a reset, or before
    ),
)
def resets_unheard() -> None:
    def deaf(lost: Any) -> Any:
        def connection_lost(self: StandardConnection, error: Exception | None) -> None:
            if not isinstance(error, ConnectionResetError):
                lost(self, error)

        return connection_lost

    replace(StandardConnection, "connection_lost", deaf)

"""Faults of the frame protocol: what is accepted, what is refused, and with which code."""

from __future__ import annotations

from typing import Any

import turnout.protocol.driver as driver_module
import turnout.protocol.frames as frames_module
import turnout.protocol.limits as limits_module
from catalogue import fault, replace
from turnout import CloseStatus, InvalidPayloadError, PongMessage, ProtocolError, WebSocketSession
from turnout.protocol.connection import StandardConnection
from turnout.protocol.deflate import Inflater
from turnout.protocol.driver import Driver
from turnout.protocol.encoder import FrameEncoder
from turnout.protocol.reassembler import Reassembler
from turnout.session.closing import Closing
from turnout.testing.rows import Row


def nothing(*args: Any) -> None:
    """Do nothing."""


@fault(Row.MESSAGES, "test_text", "test_binary", "test_compressed_messages")
def lost_empty_messages() -> None:
    def losing(receive: Any) -> Any:
        return lambda self, message: receive(self, message) if message.payload else None

    replace(WebSocketSession, "message_received", losing)


@fault(Row.MESSAGES, "test_ten_thousand_messages_in_order")
def swapped_messages() -> None:
    def swapping(receive: Any) -> Any:
        def received(self: Any, message: Any) -> None:
            if message.payload == "message 5000":
                self.late = message
                return
            receive(self, message)
            if message.payload == "message 5001":
                receive(self, self.late)

        return received

    replace(WebSocketSession, "message_received", swapping)


@fault(Row.MESSAGES, "test_one_mebibyte")
def truncated_large_messages() -> None:
    def truncating(encode: Any) -> Any:
        def encoded(self: Any, message: Any) -> Any:
            if len(message.payload) > 1_000_000:
                message = type(message)(message.payload[:1_000_000])
            return encode(self, message)

        return encoded

    replace(FrameEncoder, "encode", truncating)
    replace(FrameEncoder, "encode_long", truncating)


@fault(
    Row.VIOLATION,
    "test_unmasked_frame",
    "test_violation_in_the_first_bytes",
    "test_violation_within_a_message",
)
def missing_mask_check() -> None:
    def lenient(check: Any) -> Any:
        return lambda first, second, reserved: check(first, second | 0x80, reserved)

    replace(driver_module, "check_first_bytes", lenient)


@fault(Row.VIOLATION, "test_reserved_bits", "test_compressed_control_frame")
def reserved_bits_of_control_frames() -> None:
    def lenient(check: Any) -> Any:
        return lambda first, second, reserved: check(
            first & 0x8F if first & 0x08 else first, second, reserved
        )

    replace(driver_module, "check_first_bytes", lenient)


@fault(
    Row.VIOLATION,
    "test_illegal_close_code",
    "test_close_of_one_byte",
    "test_violation_within_a_message",
)
def any_close_code() -> None:
    replace(frames_module, "is_sendable_code", lambda _: lambda code: True)


@fault(Row.VIOLATION, "test_handler_hears_of_a_violation", "test_failure_at_a_transport_error")
def unreported_violation() -> None:
    def silent(failed: Any) -> Any:
        def fail(self: Any, status: CloseStatus, error: ProtocolError) -> None:
            failed(self, status, error)
            self.transport_error = None

        return fail

    replace(WebSocketSession, "failed", silent)


@fault(
    Row.VIOLATION,
    "test_violation_in_the_segment_of_a_message",
    # What an `async def` handler gets is handled where it arrives, and not lost.
    may_fail=("test_oversized_message_in_the_segment_of_another",),
)
def messages_lost_at_a_violation() -> None:
    def fail(self: Closing, status: CloseStatus) -> None:
        self._failure = status
        self._session._inbox.clear()
        self._fail_now()

    replace(Closing, "fail", lambda _: fail)


@fault(
    Row.UTF8,
    "test_invalid_text",
    "test_invalid_text_fails_fast",
    "test_invalid_close_reason",
    "test_compressed_text_is_checked",
    "test_data_that_does_not_inflate",
    "test_character_cut_by_the_end",
)
def wrong_code_for_invalid_payload() -> None:
    replace(InvalidPayloadError, "code", lambda _: 1002)


@fault(Row.UTF8, "test_invalid_text_fails_fast")
def invalid_text_fails_late() -> None:
    def late(feed: Any) -> Any:
        def fed(self: Any, receiver: Any, part: bytes) -> Any:
            try:
                return feed(self, receiver, part)
            except InvalidPayloadError:
                if not isinstance(receiver, Reassembler) or receiver._first & 0x80:
                    raise
                return None

        return fed

    replace(Driver, "_feed", late)


@fault(
    Row.LIMITS,
    "test_message_at_the_limit",
    "test_accumulated_length",
    "test_one_mebibyte",
    "test_limits_of_partial_messages",
    "test_compressed_message_over_the_limit",
    "test_fragments_of_one_byte_are_counted",
)
def exclusive_limits() -> None:
    replace(limits_module, "_limit", lambda limit: lambda option: limit(option) - 1)


@fault(
    Row.LIMITS,
    "test_declared_length",
    "test_default_limit",
    "test_message_over_the_limit",
    "test_limit_counts_bytes",
    "test_oversized_message_that_is_sent_whole",
    "test_declaration_of_early_limits",
    "test_oversized_message_in_the_segment_of_another",
)
def declared_length_unchecked() -> None:
    replace(Driver, "_check_size", lambda _: nothing)


@fault(Row.LIMITS, "test_compressed_message_over_the_limit")
def inflating_without_end() -> None:
    def boundless(inflate: Any) -> Any:
        def inflated(self: Any, data: bytes) -> Any:
            self.budget = 1 << 40
            return inflate(self, data)

        return inflated

    replace(Inflater, "_inflate", boundless)


@fault(
    Row.PINGS,
    "test_ping_is_answered",
    "test_ping_to_a_waiting_handler",
    "test_fragmented_message",
    "test_binary_pieces",
    "test_compressed_fragments",
    "test_accumulated_length",
    "test_every_kind_of_frame_byte_by_byte",
    "test_fragments_of_one_byte_are_counted",
)
def empty_pongs() -> None:
    def answer(self: Any, payload: bytes) -> None:
        self._write(self._driver.encode(PongMessage(b"")))

    replace(StandardConnection, "_answer_ping", lambda _: answer)


@fault(
    Row.PIECES,
    "test_pieces_as_they_come",
    "test_binary_pieces",
    "test_declaration_of_partial_messages",
    "test_limits_of_partial_messages",
    "test_close_between_pieces",
    "test_empty_fragments_are_no_pieces",
)
def pieces_kept_until_the_end() -> None:
    def whole(begin: Any) -> Any:
        return lambda self, options, deflate=None, partial=False: begin(self, options, deflate)

    replace(Driver, "__init__", whole)


@fault(
    Row.CLOSE,
    "test_close_by_the_handler",
    "test_compressed_messages_across_a_close",
    "test_close_returns",
    "test_close_twice",
    "test_closing_state",
    "test_closed_exactly_once",
    "test_asyncio_beside_the_engine",
    "test_greenlet_bridge",
    "test_both_sides_close_at_once",
    "test_closed_in_the_segment_that_tells_to_close",
    "test_close_by_the_handler_with_unsent_data",
    "test_data_before_the_answer_to_a_close",
    "test_line_breaks_in_a_close_reason",
    "test_reset_instead_of_the_answer",
)
def lost_close_reason() -> None:
    def losing(encode: Any) -> Any:
        return lambda self, status: encode(self, CloseStatus(status.code))

    replace(FrameEncoder, "encode_close", losing)


@fault(
    Row.CLOSE,
    "test_close_that_may_not_be_sent",
    "test_reason_is_counted_in_bytes",
    "test_close_reason_without_utf8",
)
def illegal_close_is_swallowed() -> None:
    def tamed(check: Any) -> Any:
        return lambda self: self if len(self.reason) < 124 else CloseStatus(1000)

    replace(CloseStatus, "check_sendable", tamed)

"""Faults that only a hostile client finds."""

from __future__ import annotations

import math
from typing import Any

import turnout.handshake.handler as handler_module
import turnout.handshake.interceptors as interceptors_module
import turnout.headers as headers_module
import turnout.protocol.driver as driver_module
import turnout.session.inbox as inbox_module
import turnout_adapters.wsproto.server as server_module
from catalogue import fault, replace
from turnout import BinaryMessage, HandshakeHandler, HandshakeRefused, ProtocolError, UsageError
from turnout.protocol.connection import StandardConnection
from turnout.protocol.deflate import Inflater
from turnout.protocol.driver import Driver
from turnout.protocol.extensions import InvalidExtensionsError
from turnout.protocol.frames import FrameHeader, header_size
from turnout.protocol.limits import too_big
from turnout.protocol.reassembler import Reassembler
from turnout.session.session import WebSocketSession
from turnout.testing.rows import Row
from turnout_adapters.wsproto.exchange import HttpExchange
from turnout_adapters.wsproto.http import HttpConnection


def nothing(*args: Any) -> None:
    """Do nothing."""


# Frames


@fault(
    Row.VIOLATION,
    "test_close_of_one_byte",
    "test_compressed_control_frame",
    "test_fragmented_control_frame",
    "test_frames_behind_a_violation",
    "test_handler_hears_of_a_violation",
    "test_illegal_close_code",
    "test_length_in_too_many_bytes",
    "test_length_of_2_to_the_63",
    "test_length_of_2_to_the_63_with_deflate",
    "test_length_that_is_not_the_shortest",
    "test_length_with_the_top_bit",
    "test_lone_continuation",
    "test_long_control_frame",
    "test_message_before_a_violation",
    "test_message_inside_a_message",
    "test_reserved_bits",
    "test_reserved_bits_with_deflate",
    "test_reserved_opcode",
    "test_rsv1_on_a_continuation",
    "test_unmasked_frame",
    "test_violation_in_the_first_bytes",
    "test_violation_of_a_peer_that_sends_on",
    "test_violation_within_a_message",
    "test_declaration_of_violation_codes",
    "test_failure_at_a_transport_error",
    "test_violation_in_the_segment_of_a_message",
)
def wrong_code_for_violations() -> None:
    replace(ProtocolError, "code", lambda _: 1008)


@fault(Row.VIOLATION, "test_unmasked_frame", "test_violation_in_the_first_bytes")
def headers_checked_late() -> None:
    def late(read: Any) -> Any:
        def read_header(self: Driver) -> Any:
            if not self._has(2) or not self._has(header_size(self._chunk[self._position + 1])):
                return None
            return read(self)

        return read_header

    replace(Driver, "_read_header", late)


@fault(
    Row.VIOLATION,
    "test_length_in_too_many_bytes",
    "test_length_of_2_to_the_63",
    "test_length_of_2_to_the_63_with_deflate",
    "test_length_that_is_not_the_shortest",
    "test_length_with_the_top_bit",
)
def any_length() -> None:
    def read_header(data: bytes, start: int) -> FrameHeader:
        size = header_size(data[start + 1])
        raw = data[start : start + size]
        length = raw[1] & 0x7F if size == 6 else int.from_bytes(raw[2:-4], "big")
        return FrameHeader(raw[0], length, raw[-4:], raw)

    replace(driver_module, "read_header", lambda _: read_header)


@fault(
    Row.VIOLATION,
    "test_oversized_message_that_is_sent_whole",
    "test_violation_of_a_peer_that_sends_on",
)
def closed_with_unread_input() -> None:
    def close(self: StandardConnection) -> None:
        self.flush()
        self._reading = False
        self._ended = True
        self._transport.close()

    replace(StandardConnection, "close", lambda _: close)


# Floods


@fault(Row.HOSTILE, "test_flood_of_pings")
def every_pong_kept() -> None:
    def unheld(answer: Any) -> Any:
        def answered(self: StandardConnection, payload: bytes) -> None:
            paused, self._writing_paused = self._writing_paused, False
            answer(self, payload)
            self._writing_paused = paused

        return answered

    replace(StandardConnection, "_answer_ping", unheld)


@fault(
    Row.HOSTILE,
    "test_declaration_of_ping_round_trip",
    "test_flood_of_pongs",
    "test_round_trip",
    "test_unsolicited_pong",
)
def pongs_are_messages() -> None:
    replace(WebSocketSession, "pong_received", lambda _: WebSocketSession.message_received)


@fault(Row.HOSTILE, "test_flood_of_empty_messages", "test_flood_of_pings_for_the_handler")
def empty_messages_weigh_nothing() -> None:
    replace(inbox_module, "OVERHEAD", lambda _: 0)


@fault(Row.HOSTILE, "test_flood_of_empty_fragments", "test_time_of_tiny_fragments")
def fragments_are_counted() -> None:
    def counting(begin: Any) -> Any:
        def begun(self: Reassembler, header: FrameHeader) -> None:
            begin(self, header)
            FRAGMENTS[id(self)] = 0 if header.opcode else FRAGMENTS[id(self)] + 1
            if FRAGMENTS[id(self)] > 1500:
                raise too_big(0, 0)

        return begun

    replace(Reassembler, "begin", counting)


FRAGMENTS: dict[int, int] = {}


@fault(Row.HOSTILE, "test_time_of_tiny_fragments")
def joined_anew_at_each_fragment() -> None:
    def keep(self: Reassembler, payload: str | bytes | bytearray) -> None:
        data = payload.encode() if isinstance(payload, str) else bytes(payload)
        self._pieces = bytearray(bytes(self._pieces or b"") + data)

    replace(Reassembler, "_keep", lambda _: keep)


@fault(
    Row.PIECES,
    "test_character_across_fragments",
    "test_compressed_fragments",
    "test_empty_fragments_are_no_pieces",
    "test_every_kind_of_frame_byte_by_byte",
    "test_fragmented_message",
    may_fail=("test_character_cut_by_the_end",),
)
def empty_pieces() -> None:
    def delivering(take: Any) -> Any:
        def taken(self: Reassembler, event: Any) -> Any:
            if not event.message_finished and event.frame_finished and not event.data:
                return BinaryMessage(b"", is_first=False, is_last=False)
            return take(self, event)

        return taken

    replace(Reassembler, "_take_data", delivering)


@fault(Row.HOSTILE, "test_compressed_message_over_the_limit", "test_deflate_bomb")
def bombs_go_off() -> None:
    def boundless(inflate: Any) -> Any:
        def inflated(self: Any, data: bytes) -> Any:
            self.budget = 1 << 40
            return inflate(self, data)

        return inflated

    replace(Inflater, "_inflate", boundless)


@fault(Row.HOSTILE, "test_flood_of_deflated_messages")
def inflated_ahead_of_the_handler() -> None:
    def unheld(pause: Any) -> Any:
        def paused(self: StandardConnection) -> None:
            if self._driver._agreed is None:
                pause(self)

        return paused

    replace(StandardConnection, "pause_reading", unheld)


# Requests


@fault(
    Row.HOSTILE,
    "test_declaration_of_bounded_heads",
    "test_large_header",
    "test_long_target",
    "test_many_headers",
)
def boundless_heads() -> None:
    replace(server_module, "MAX_HEADER_SIZE", lambda _: 1 << 30)


@fault(
    Row.HOSTILE,
    "test_declaration_of_bounded_heads",
    "test_large_header",
    "test_long_target",
    "test_malformed_header",
    "test_many_headers",
    "test_missing_host",
    "test_no_http",
)
def malformed_requests_are_500() -> None:
    def wrong(fail: Any) -> Any:
        return lambda self, status, sentence: fail(self, 500, sentence)

    replace(HttpExchange, "_fail", wrong)


@fault(Row.HOSTILE, "test_request_cut_short")
def the_end_completes_a_request() -> None:
    def eof_received(self: HttpExchange) -> bool:
        self.data_received(b"\r\n")
        self._loop.call_later(1, self.transport.close)
        return True

    replace(HttpExchange, "eof_received", lambda _: eof_received)


@fault(Row.HOSTILE, "test_a_thousand_headers")
def a_hundred_headers_at_most() -> None:
    def check(self: HandshakeHandler, request: Any) -> None:
        if len(request.headers.fields()) > 100:
            raise RuntimeError("who would have thought of that")

    replace(HandshakeHandler, "check_fields", lambda _: check)


@fault(Row.HEADERS, "test_malformed_extensions")
def lenient_extensions() -> None:
    def forgiving(parse: Any) -> Any:
        def parsed(values: Any) -> Any:
            try:
                return parse(values)
            except InvalidExtensionsError:
                return []

        return parsed

    replace(handler_module, "parse_extensions", forgiving)


@fault(Row.TIMEOUTS, "test_handshake_timeout", "test_slow_requests", "test_slow_second_request")
def requests_waited_for() -> None:
    replace(HttpConnection, "_expect_request", lambda _: nothing)


@fault(Row.TIMEOUTS, "test_silence_where_tls_is_spoken")
def tls_waited_for() -> None:
    def patient(listen: Any) -> Any:
        return lambda make, settings, limit, native: listen(make, settings, math.inf, native)

    replace(server_module, "listen", patient)


# What handlers give away


@fault(Row.REFUSAL, "test_header_injection", "test_header_injection_over_http")
def unchecked_headers() -> None:
    replace(headers_module, "_check", lambda _: nothing)


@fault(Row.REFUSAL, "test_refused_with_the_status_that_was_set")
def status_of_a_refusal_ignored() -> None:
    replace(interceptors_module, "_status_of_refusal", lambda _: lambda status: 403)


@fault(
    Row.REFUSAL,
    "test_refused_by_the_handshake_handler",
    "test_request_behind_a_refusal",
)
def handshake_handler_may_not_refuse() -> None:
    def deaf_to_refusals(determine: Any) -> Any:
        def determined(self: Any, *args: Any) -> Any:
            try:
                return determine(self, *args)
            except HandshakeRefused:
                return None

        return determined

    # Not with this module: it would build the registry before other faults are seeded.
    from turnout.testing.subject.handshakes import NamedByQuery

    replace(NamedByQuery, "determine_user", deaf_to_refusals)


@fault(Row.PROTOCOLS, "test_protocol_that_was_not_offered")
def invented_protocols_are_sent() -> None:
    def trusting(agree: Any) -> Any:
        def agreed(self: HandshakeHandler, request: Any, spoken: Any) -> Any:
            try:
                return agree(self, request, spoken)
            except UsageError:
                return self.select_sub_protocol(
                    request.headers.get_list("sec-websocket-protocol"), spoken
                )

        return agreed

    replace(HandshakeHandler, "_agree_on_sub_protocol", trusting)


@fault(Row.PROTOCOLS, "test_required_protocol")
def required_protocols_are_not() -> None:
    def lenient(begin: Any) -> Any:
        return lambda self, *, sub_protocols=(), require_sub_protocol=False: begin(
            self, sub_protocols=sub_protocols
        )

    replace(HandshakeHandler, "__init__", lenient)


@fault(Row.REFUSAL, "test_refusal_that_may_not_be_sent")
def any_status_refuses() -> None:
    def lenient(begin: Any) -> Any:
        def begun(
            self: HandshakeRefused, status: int = 403, headers: Any = (), body: Any = b""
        ) -> None:
            begin(self, 403, headers, body)
            self.status = status if 200 <= status <= 599 else 400

        return begun

    replace(HandshakeRefused, "__init__", lenient)

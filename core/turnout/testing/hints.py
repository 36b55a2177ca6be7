"""What to change, by test of the suite: where it is more exact than what the row says.

The words are for somebody who has written a strategy and never read the suite; line ends do not
count.
"""

from __future__ import annotations

__all__ = ["TEST_ADVICE"]

READ_ON = """
    After the close frame go on reading and drop what comes until the peer ends: a socket that
    is closed with bytes unread resets the connection, and the frame is lost with it.
"""
BOUNDED_HEAD = """
    Limit what is buffered of a request's head, 64 KiB say, and answer one that is longer once,
    by 431.
"""

TEST_ADVICE = {
    "test_accepted_handshake": """
        Write the 101 from `upgrade.response_headers` as it is: the accept key in it is right. A
        server that makes its own 101 must be kept from it.
        """,
    "test_answer_has_nothing_unasked": """
        Leave out of the 101 what `upgrade.response_headers` does not have: a body, its length,
        an extension, a sub-protocol.
        """,
    "test_connection_in_two_lines": """
        Build `ServerHttpRequest.headers` from all lines of the request: two lines of one name
        are two values, the later does not replace the earlier.
        """,
    "test_unknown_path": """
        Where `service.handle()` returns False, answer 404 and keep the connection for the next
        request.
        """,
    "test_second_try_on_one_connection": """
        After a refusal the connection stays open: read the next request from it as your server
        does for plain HTTP.
        """,
    "test_handshake_byte_by_byte": """
        Do not expect a request in one read: collect bytes until the empty line.
        """,
    "test_frames_sent_with_the_request": """
        Bytes that your server has read beyond the request belong to the WebSocket: pass them as
        `early_data`, or declare `Capabilities(early_bytes=False)`.
        """,
    "test_after_handshake": """
        Await `upgrade.run()` once for each handshake: it tells the interceptors.
        """,
    "test_handshake_with_a_body": """
        `headers` must show `Content-Length` and `Transfer-Encoding` of a handshake as they were
        sent; take no body for frames.
        """,
    "test_header_injection": """
        Write no header that has a line break in it: raise, and 500 is sent.
        """,
    "test_close_returns": """
        `send_close()` must not end the connection: the session calls `close()` when the peer
        has answered. And call `connection_lost()` when it has ended.
        """,
    "test_close_by_the_peer": """
        Call `session.close_received(CloseStatus(code, reason))` with what the peer's close
        frame says, and leave the answer to the session.
        """,
    "test_close_without_a_code": """
        An empty close frame is `CloseStatus(1005)`, in both directions: report it so, and send
        a frame without a code when `send_close()` gets it.
        """,
    "test_close_that_may_not_be_sent": """
        Let `session.close()` check the code: the strategy must not replace a code or cut a
        reason.
        """,
    "test_messages_before_the_close": """
        `close()` ends the connection once everything that was handed over has been written;
        only `abort()` may lose something.
        """,
    "test_nothing_after_the_close": """
        Once the peer's close frame has arrived deliver nothing more, and after `send_close()`
        send nothing more.
        """,
    "test_closed_exactly_once": """
        Call `session.close_received()` for the first close frame only, and `connection_lost()`
        once.
        """,
    "test_silent_peer_is_cut": """
        `abort()` must cut the connection even though the peer does not answer, and `serve()`
        must not wait for it any longer.
        """,
    "test_shutdown_stops_accepting": """
        Close the listening socket before `service.drain()`, not after it.
        """,
    "test_blocked_handler_is_cut": """
        `serve()` must end when `service.drain()` returns: do not wait for tasks or threads of
        handlers after it.
        """,
    "test_unmasked_frame": """
        A frame from a client must have the mask bit: without it call
        `session.failed(CloseStatus(1002), error)` before anything is delivered.
        """,
    "test_reserved_bits": """
        Refuse RSV1 to RSV3 unless an extension that was negotiated has given the bit a meaning,
        on control frames always.
        """,
    "test_illegal_close_code": """
        Check the code of a close frame that arrives: below 1000, 1004 to 1006, 1015 to 2999 and
        from 5000 on none may be sent. Answer with 1002, do not echo it.
        """,
    "test_handler_hears_of_a_violation": """
        Report the violation by `session.failed(status, error)`, with the error: do not only cut
        the connection.
        """,
    "test_declared_length": """
        Refuse by the length in the frame's header, before the payload: it may never come.
        """,
    "test_compressed_message_over_the_limit": """
        Limit what is inflated, not what arrives: give zlib a `max_length`.
        """,
    "test_invalid_text_fails_fast": """
        Check each fragment when it arrives, with an incremental decoder, not the message at its
        end.
        """,
    "test_streaming_back_pressure": """
        `ServerHttpResponse.write()` returns when more may be written: await the server's own
        drain or flush in it.
        """,
    "test_client_goes": """
        `wait_disconnected()` must return when the client goes although nothing is being read or
        written: watch the socket.
        """,
    "test_write_to_a_client_that_went": """
        `write()` must raise `ConnectionClosed` once the client has gone.
        """,
    "test_body_over_the_limit": """
        `read_body(limit)` raises `BodyTooLargeError` as soon as there is more than the limit,
        declared or not.
        """,
    "test_foreign_awaitable": """
        On asyncio await handlers inside the loop's task; on other runtimes leave the coroutine
        to turnout, which names the fix.
        """,
    "test_port_in_use": """
        Let the `OSError` of a port in use out of `serve()`.
        """,
    "test_supported_options": """
        Honour the option, or name it in `Capabilities(unsupported_options=...)`.
        """,
    "test_unix_socket": """
        Listen on `settings.unix` and remove the file when `serve()` ends.
        """,
    "test_missing_host": """
        `headers` must show that there is no `Host`; leave the answer to `service.handle()`.
        """,
    "test_both_sides_close_at_once": """
        A close frame that arrives after `send_close()` is the answer: report it by
        `session.close_received()` all the same, and send no second one.
        """,
    "test_close_within_a_fragmented_message": """
        A close frame may stand between fragments: report it at once, and drop the message that
        has begun.
        """,
    "test_close_by_the_peer_with_unsent_data": """
        Go on reading while what was handed to `send()` waits to be written, so that the peer's
        close frame is heard; and `close()` must end the connection in order: a socket that is
        closed with bytes unread resets it.
        """,
    "test_close_by_the_handler_with_unsent_data": """
        `send_close()` comes behind everything that `send()` was given before, each frame whole.
        """,
    "test_close_to_a_peer_that_does_not_read": """
        `abort()` must cut the connection although much is unsent.
        """,
    "test_data_around_the_close_of_the_peer": """
        Deliver what came before the close frame, then `session.close_received()`, then nothing.
        """,
    "test_data_before_the_answer_to_a_close": """
        Go on reading after `send_close()`: what comes before the peer's answer is for the
        session, which drops it.
        """,
    "test_end_behind_the_close": """
        A peer that has ended its direction can still read: send the answer to its close frame
        before the connection is ended.
        """,
    "test_end_while_the_server_sends": """
        The end of the peer's direction without a close frame is the end of the session: call
        `connection_lost()`, also while something is being sent.
        """,
    "test_reset_instead_of_the_answer": """
        Call `connection_lost(error)`, and leave the status to the session.
        """,
    "test_violation_of_a_peer_that_sends_on": READ_ON,
    "test_oversized_message_that_is_sent_whole": READ_ON,
    "test_slow_requests": """
        Start `handshake_timeout` with the first byte of a request, or with the connection, and
        stop it when the 101 is sent.
        """,
    "test_slow_second_request": """
        Start `handshake_timeout` anew when an answer has been sent and the connection is kept.
        """,
    "test_flood_of_pings": """
        Pongs are buffered too: when the peer does not read, stop reading, or keep the answer to
        the latest ping only.
        """,
    "test_flood_of_pings_for_the_handler": """
        `pause_reading()` holds back pings as well as messages.
        """,
    "test_flood_of_empty_messages": """
        Count messages, not bytes alone: `pause_reading()` must hold back empty ones too.
        """,
    "test_time_of_tiny_fragments": """
        Collect fragments in a list or a bytearray: joining bytes at each fragment costs the
        square.
        """,
    "test_deflate_bomb": """
        Give zlib a `max_length` and stop at the limit: never inflate first and measure then.
        """,
    "test_request_cut_short": """
        When the client ends in the middle of its request, close the connection.
        """,
    "test_large_header": BOUNDED_HEAD,
    "test_many_headers": BOUNDED_HEAD,
    "test_long_target": BOUNDED_HEAD,
    "test_malformed_header": """
        Refuse a header line without a colon, with a space before it, or folded: 400.
        """,
}
"""What to change, by test: where it is more exact than what the row says."""

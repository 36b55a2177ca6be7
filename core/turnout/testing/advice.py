"""Where the rules come from, and what a strategy's author has to change where one is broken.

By row; `hints` has it for the tests whose row says too little. A report adds it to what it saw.
The words are for somebody who has written a strategy and never read the suite.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from turnout.testing.hints import TEST_ADVICE
from turnout.testing.rows import Row
from turnout.testing.symptoms import symptom_advice

__all__ = [
    "ROW_ADVICE",
    "Advice",
    "Source",
    "advice_for",
    "link_references",
    "sources_of",
]

REFERENCE = re.compile(r"RFC (\d+)(?: §(\d+(?:\.\d+)*))?")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a rule is written; `url` is None for the contract of turnout itself."""

    text: str
    url: str | None


@dataclass(frozen=True, slots=True)
class Advice:
    """What stands behind a row: where it is written, and what to change; line ends do not count."""

    source: str
    change: str


CONTRACT = "turnout's contract"

ABOVE = (
    "This is decided above the strategy, in `WebSocketService.handle()`, from what your"
    " `ServerHttpRequest` shows of the request."
)

ROW_ADVICE = {
    Row.ACCEPT: Advice(
        "RFC 6455 §4.2.2",
        """
        `upgrade()` must write `101 Switching Protocols` with exactly
        `upgrade.response_headers`, in their order and nothing added, set `response.started`,
        and then await `upgrade.run(connection)`.
        """,
    ),
    Row.METHOD: Advice(
        "RFC 9110 §15.5.6",
        f"""
        {ABOVE} `method` must be the method as it was sent, and the server must not answer other
        methods by itself before it calls `service.handle()`.
        """,
    ),
    Row.HEADERS: Advice(
        "RFC 6455 §4.2.1",
        f"""
        {ABOVE} `headers` must hold every field, repeated ones too, and `http_version` and
        `method` must be as they were sent; the server must not answer a bad handshake by
        itself.
        """,
    ),
    Row.VERSION: Advice(
        "RFC 6455 §4.4",
        f"""
        {ABOVE} The server must not check `Sec-WebSocket-Version` by itself, and
        `response.send()` must write the headers that it is given.
        """,
    ),
    Row.ORIGIN: Advice(
        "RFC 6455 §10.2",
        f"""
        {ABOVE} `scheme`, `headers` (with `Host` and `Origin`) and `remote_address` must be
        those of the connection: the origin is compared with them, and a proxy is trusted by
        them.
        """,
    ),
    Row.REFUSAL: Advice(
        CONTRACT,
        """
        A refusal reaches your server as `response.send(status, headers, body)`: write all
        three, with what is in `response.headers` already, and no 101 before. Nothing may be on
        the wire until `upgrade()` is called.
        """,
    ),
    Row.PROTOCOLS: Advice(
        "RFC 6455 §4.2.2",
        """
        The sub-protocol is chosen above the strategy and is in `upgrade.response_headers`; the
        server must not negotiate one of its own, and `headers` must hold repeated fields.
        """,
    ),
    Row.DEFLATE: Advice(
        "RFC 7692 §7.1",
        """
        Give `upgrade.deflate` to the `StandardConnection`; a server with a WebSocket of its own
        must be told these parameters. If it cannot keep them, declare
        `Capabilities(deflate=False)`.
        """,
    ),
    Row.MESSAGES: Advice(
        "RFC 6455 §5",
        """
        Every byte that the client sends after its request must reach `data_received()`, once
        and in order, and `Transport.write()` must send everything, in order. A connection of
        your own calls `session.message_received()` with whole messages and sends what `send()`
        gets.
        """,
    ),
    Row.CLOSE: Advice(
        "RFC 6455 §5.5.1, §7.1",
        """
        `send_close(status)` must put `status.code` in front of the reason, both as they are,
        and send no frame after it. A close frame that arrives must reach
        `session.close_received()` with its code and reason; the session answers it, not the
        server.
        """,
    ),
    Row.FAILURE: Advice(
        CONTRACT,
        """
        `upgrade.run()` deals with what handlers raise and closes the connection: await it,
        catch nothing around it, and do not end the connection before `close()` or `abort()` is
        called.
        """,
    ),
    Row.SHUTDOWN: Advice(
        CONTRACT,
        """
        On SIGINT and SIGTERM `serve()` must stop accepting first, then await `service.drain()`,
        which closes every session, and then return, so that the process ends with 0.
        """,
    ),
    Row.VANISHED: Advice(
        "RFC 6455 §7.1.5",
        """
        When the peer has gone, call `connection_lost(error)` exactly once and last, whether it
        ended its side or reset the connection, also while nothing is being read or written.
        """,
    ),
    Row.VIOLATION: Advice(
        "RFC 6455 §5",
        """
        The standard driver keeps these rules: hand it the bytes as they came. A server with a
        WebSocket of its own must check the frame and call `session.failed(CloseStatus(1002),
        error)`, which sends the close frame.
        """,
    ),
    Row.UTF8: Advice(
        "RFC 6455 §8.1",
        """
        Text must be checked as it arrives, across fragments and in close reasons too; on
        failure call `session.failed(CloseStatus(1007), error)`. The standard driver does so.
        """,
    ),
    Row.LIMITS: Advice(
        "RFC 6455 §7.4.1",
        """
        `upgrade.options` holds the limits, in bytes and inclusive. Compare them with the
        declared length before the payload is read, and with the sum of the fragments; on excess
        call `session.failed(CloseStatus(1009), error)`. Switch off the server's own limits.
        """,
    ),
    Row.KIND: Advice(
        "RFC 6455 §7.4.1",
        """
        Hand text as `TextMessage` and binary data as `BinaryMessage` to
        `session.message_received()`: the handler is asked by the kind.
        """,
    ),
    Row.SLOW_CONSUMER: Advice(
        CONTRACT,
        """
        `send()` must neither wait nor buffer without end: when the client does not read, call
        `session.pause_writing()`, and `session.resume_writing()` when it reads again. `abort()`
        must cut the connection at once, whatever is unsent.
        """,
    ),
    Row.SLOW_HANDLER: Advice(
        CONTRACT,
        """
        `pause_reading()` must stop reading from the socket, so that TCP holds the sender back,
        and `resume_reading()` must go on where it stopped; messages that are there already must
        not be lost.
        """,
    ),
    Row.TIMEOUTS: Advice(
        CONTRACT,
        """
        Timeouts and pings are the session's: switch off the server's own. Set
        `connection.heard` whenever bytes arrive, and let `close()` and `abort()` end the
        connection really.
        """,
    ),
    Row.PINGS: Advice(
        "RFC 6455 §5.5.2, §5.5.3",
        """
        Answer a ping by a pong with the same payload at once, then call
        `session.ping_received()`; call `session.pong_received()` for every pong, asked for or
        not. `send()` gets `PingMessage` and `PongMessage` too.
        """,
    ),
    Row.PIECES: Advice(
        "RFC 6455 §5.4",
        """
        Give `partial=upgrade.handler.partial` to the `StandardConnection`. A connection of your
        own passes fragments on as they come, with `is_first` and `is_last`, where that is asked
        for, or declares `Capabilities(partial_messages=False)` or `partial_send=False`.
        """,
    ),
    Row.FULL: Advice(
        CONTRACT,
        """
        A full service refuses with 503 before any 101: call `service.handle()` for every
        request, and return from `upgrade()` only when `upgrade.run()` has returned, as a place
        is free by then only.
        """,
    ),
    Row.STATES: Advice(
        CONTRACT,
        """
        The session holds the states; it relies on `close_received()` and `connection_lost()`,
        each called at most once, in this order, and inside its runtime.
        """,
    ),
    Row.SESSION: Advice(
        CONTRACT,
        """
        `target` must be the request target as sent, still percent-encoded, with the query;
        `headers` a copy of every field; `local_address` and `remote_address` those of the
        socket. Set `connection.native` to the server's own object.
        """,
    ),
    Row.SENDS: Advice(
        CONTRACT,
        """
        The session calls `send()` one at a time and in order: hand the frames over in that
        order, each whole, and let no other task write to the transport.
        """,
    ),
    Row.RUNTIME: Advice(
        CONTRACT,
        """
        Set `runtime` to the concurrency model that `upgrade()` really runs on, give the
        `WebSocketService` the runtime of that model, and call `service.handle()` in the context
        of the request, not in a fresh one.
        """,
    ),
    Row.MANY: Advice(
        CONTRACT,
        """
        Nothing may cost one of a small fixed number for each connection: no worker pool, no
        backlog shorter than `settings.backlog`, no thread that waits for one connection only.
        """,
    ),
    Row.HOSTILE: Advice(
        CONTRACT,
        """
        Whatever one client sends or leaves out, memory stays bounded, the others go on, and the
        connection ends in order: read no faster than is handled, limit what is buffered before
        `service.handle()` is called, and let no exception of one connection leave its task.
        """,
    ),
    Row.HTTP: Advice(
        "RFC 9110, RFC 9112",
        """
        `ServerHttpRequest.read_body()` and `ServerHttpResponse.send()`, `start()`, `write()`,
        `finish()` and `wait_disconnected()` are your server's: each must do what its docstring
        says, and a request that `service.handle()` returns False for is answered 404.
        """,
    ),
    Row.TRANSPORTS: Advice(
        CONTRACT,
        """
        `serve()` listens where `settings` says: `unix`, or `host` and `port`, with `tls_cert`
        and `tls_key` if they are set. What the server cannot do is declared,
        `Capabilities(tls=False, unix_sockets=False)`, and refused with a `ConfigurationError`
        that says TLS or Unix.
        """,
    ),
    Row.START: Advice(
        CONTRACT,
        """
        What cannot be done is said at start: `serve()` lets `OSError` through where it cannot
        listen, and an option that the engine cannot honour is in
        `Capabilities(unsupported_options=...)`.
        """,
    ),
}
"""What to change, by row."""

CAPABILITY_ADVICE = (
    "The declaration is wrong: set `capabilities` of your strategy to what the server shows."
    " Declared and not shown fails, and so does shown and not declared."
)
"""What to change where a test of a declaration fails."""


def advice_for(test: str, row: str, expected: str = "", got: str = "") -> str:
    """Return what to change where a test of that function's name fails in that way."""
    if test.startswith("test_declaration_of_"):
        return CAPABILITY_ADVICE
    words = symptom_advice(expected, got) or TEST_ADVICE.get(test) or ROW_ADVICE[Row[row]].change
    return " ".join(words.split())


def sources_of(rule: str, row: str) -> list[Source]:
    """Return where a rule is written: the RFCs that it names, or else those of its row."""
    text = rule if REFERENCE.search(rule) else ROW_ADVICE[Row[row]].source
    return [_source(match) for match in REFERENCE.finditer(_spelled_out(text))] or [
        Source(f"{CONTRACT}, row {row}: {Row[row].value}", None)
    ]


def link_references(text: str) -> str:
    """Return a text in which what RFCs say is linked, as Markdown."""
    return REFERENCE.sub(lambda match: f"[{match[0]}]({_source(match).url})", _spelled_out(text))


def _spelled_out(text: str) -> str:
    """Return "RFC 6455 §5, §7" as "RFC 6455 §5, RFC 6455 §7"."""
    return re.sub(r"(RFC \d+) (§[\d.]*\d), (?=§)", r"\1 \2, \1 ", text)


def _source(match: re.Match[str]) -> Source:
    number, section = match.groups()
    anchor = f"#section-{section}" if section else ""
    return Source(match[0], f"https://www.rfc-editor.org/rfc/rfc{number}{anchor}")

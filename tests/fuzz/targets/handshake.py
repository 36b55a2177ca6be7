"""Request heads, through the standard engine's HTTP and core's handshake.

Held for every input:

- the answer is made of whole HTTP responses, each with one of the declared statuses, never 500;
- no header field of an answer holds a control character;
- a 101 accepts the client's key, and only a sub-protocol and an extension that were offered;
- nothing is logged as an error, nothing is raised in the event loop;
- when the connection is gone no session, no handshake, no task and no timer is left.
"""

from __future__ import annotations

import asyncio
import logging
import re
from functools import cache
from typing import Any

from tests.fuzz.inputs import Input
from tests.fuzz.still_loop import StillLoop, StillTransport
from tests.protocol.wire import cut

from turnout import Deflate, WebSocketHandlerRegistry, WebSocketOptions, WebSocketSession
from turnout.handshake.handler import HandshakeHandler
from turnout.handshake.negotiated import accept_key
from turnout.handshake.tokens import TokenInterceptor
from turnout.service import WebSocketService
from turnout_adapters.wsproto.http import HttpConnection
from turnout_adapters.wsproto.strategy import WsprotoStrategy
from turnout_compat.asyncio_deadlines import Deadlines
from turnout_compat.asyncio_runtime import AsyncioRuntime

__all__ = ["run", "the_stand"]

STATUSES = {100, 101, 200, 400, 401, 403, 404, 405, 408, 413, 426, 431, 501, 505}
HEAD = re.compile(rb"HTTP/1\.1 (\d{3}) [\x20-\x7e]*\r\n((?:[^\r\n]+\r\n)*)\r\n")
FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+): ?([\t\x20-\x7e\x80-\xff]*)\r\n")
MAX_HEADER_SIZE = 4096
TURNS = 12
"""Turns of the loop in which every handler here has done what it can."""


class Complaints(logging.Handler):
    """Keeps what is logged as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


class User:
    """Whoever brings a token."""

    def __init__(self, name: str) -> None:
        self.name = name


def make_registry(sessions: list[WebSocketSession]) -> WebSocketHandlerRegistry:
    """Register one handler for each part of the handshake; `sessions` gets what is opened."""
    registry = WebSocketHandlerRegistry(
        options=WebSocketOptions(max_text_size=300, max_binary_size=300, compression=Deflate()),
        trusted_proxies="127.0.0.0/8, unix",
    )

    async def echo(session: WebSocketSession) -> None:
        sessions.append(session)
        async for message in session:
            await session.send(message)

    async def answer(request: Any, response: Any) -> None:
        await request.read_body(100)
        await response.send(200, [("X-Query", str(len(request.query)))], b"a body")

    spoken = ("chat.v1", "chat.v2")
    registry.websocket("/echo", "/files/{rest:path}")(echo)
    registry.websocket("/chat/{room}", allowed_origins="https://example.org", sub_protocols=spoken)(
        echo
    )
    registry.allow_origins_at("/chat/*", patterns="https://*.example.org:[80,8443]")
    registry.websocket("/token", interceptors=[TokenInterceptor(User)], sub_protocols=spoken)(echo)
    registry.websocket("/strict", sub_protocols=spoken)(echo)
    found = registry.find("/strict")
    assert found is not None
    found[0].set_handshake_handler(HandshakeHandler(require_sub_protocol=True))
    registry.add_http_handler(answer, "/http", "/echo")
    registry.freeze()
    return registry


def is_shared(timer: Any) -> bool:
    """Tell the timer of a queue of deadlines, which runs out by itself, from a connection's."""
    return isinstance(getattr(timer._callback, "__self__", None), Deadlines)


class Stand:
    """A server without a socket, used for input after input."""

    def __init__(self) -> None:
        self.loop = StillLoop()
        self.sessions: list[WebSocketSession] = []
        self.registry = make_registry(self.sessions)
        self.runtime = AsyncioRuntime(self.loop)
        self.service = WebSocketService(self.registry, WsprotoStrategy(), self.runtime)
        self.connections: set[HttpConnection] = set()
        self.complaints = Complaints()
        logging.getLogger("turnout").addHandler(self.complaints)

    def exchange(self, chunks: list[bytes], *, waits: bool) -> bytes:
        """Send chunks, let time pass if `waits`, vanish; return what was answered."""
        connection = HttpConnection(self.service, self.connections, MAX_HEADER_SIZE)
        transport = StillTransport(self.loop, connection)
        connection.connection_made(transport)
        for chunk in filter(None, chunks):
            transport.receive(chunk)
            self.loop.turn(TURNS)
        if waits:
            self.loop.advance(60)
            self.loop.turn(TURNS)
        answered = bytes(transport.written)
        transport.abort()
        self.loop.turn(TURNS)
        self.check_nothing_left()
        return answered

    def close(self) -> None:
        """End what is left, if an input has failed."""
        logging.getLogger("turnout").removeHandler(self.complaints)
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.turn(TURNS)
        self.loop.close()

    def check_nothing_left(self) -> None:
        """Check that the connection has left nothing behind."""
        assert not self.complaints.lines, self.complaints.lines
        assert not self.loop.errors, self.loop.errors
        assert not self.registry.sessions
        assert len(self.service) == len(self.service._handshakes) == 0
        assert not self.connections
        assert not asyncio.all_tasks(self.loop)
        assert not any(queue.waiting for queue in self.runtime._deadlines.values())
        waiting = [t for t in self.loop._scheduled if not t.cancelled() and not is_shared(t)]  # type: ignore[attr-defined]  # of BaseEventLoop
        assert not waiting, waiting


@cache
def the_stand() -> Stand:
    """Return the server that all inputs of a process are fed to."""
    return Stand()


def run(data: bytes) -> None:
    """Feed one input."""
    stand = the_stand()
    given = Input(data)
    waits, places = given.flag(), given.cuts()
    request = given.rest() if given.flag() else built_request(given)
    stand.sessions.clear()
    check_answer(stand.exchange(cut(request, places), waits=waits))
    for session in stand.sessions:
        check_session(session)


def check_answer(answer: bytes) -> None:
    """Check every response; after a 101 frames follow."""
    while answer:
        head = HEAD.match(answer)
        assert head is not None, answer
        status, fields = int(head[1]), FIELD.findall(head[2])
        assert status in STATUSES, answer
        assert all(FIELD.fullmatch(line) for line in head[2].splitlines(keepends=True)), answer
        if status == 101:
            return
        answer = answer[head.end() :]
        sizes = [int(value) for name, value in fields if name.lower() == b"content-length"]
        assert len(sizes) <= 1
        if sizes and not answer.startswith(b"HTTP/1.1 "):  # as after the answer to a HEAD
            answer = answer[sizes[0] :]


def check_session(session: WebSocketSession) -> None:
    """Check what was agreed on against what was offered."""
    headers = session.handshake_headers
    assert len(accept_key(headers["sec-websocket-key"])) == 28
    assert headers.get_all("sec-websocket-version") == ["13"]
    offered = headers.get_list("sec-websocket-protocol")
    assert session.accepted_protocol is None or session.accepted_protocol in offered
    for extension in session.extensions:
        assert extension.name in headers["sec-websocket-extensions"]
        window = dict(extension.parameters)
        assert 9 <= int(window["server_max_window_bits"] or 0) <= 12
        assert 8 <= int(window["client_max_window_bits"] or 0) <= 12
    assert all("/" not in value or name == "rest" for name, value in session.path_variables.items())


METHODS = ("GET", "GET", "GET", "POST", "HEAD", "CONNECT", "OPTIONS", "get")
TARGETS = (
    "/echo", "/chat/blue", "/files/a/b", "/token", "/strict", "/http", "/none", "/chat/%2e%2e",
    "http://127.0.0.1/echo", "*", "/token?token=abc", "/chat/%c3%a9?a=1&a=2", "//echo",
)  # fmt: skip
VERSIONS = ("HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "http/1.1")
FIELDS = (
    ("Host", ("127.0.0.1", "example.org", "[::1]:80", "", "a b", "example.org:99999")),
    ("Upgrade", ("websocket", "WebSocket, h2c", "", "h2c")),
    ("Connection", ("Upgrade", "keep-alive, upgrade", "close", "")),
    ("Sec-WebSocket-Key", ("AAAAAAAAAAAAAAAAAAAAAA==", "AAAA", "====", "")),
    ("Sec-WebSocket-Version", ("13", "8", "13, 8", "٣")),
    ("Sec-WebSocket-Protocol", ("chat.v1", "x, CHAT.V2", "bearer, tok", ",", "chat.v1\tchat.v2")),
    ("Sec-WebSocket-Extensions", (
        "permessage-deflate; client_max_window_bits", "permessage-deflate",
        "permessage-deflate; client_max_window_bits=9; server_max_window_bits=10",
        'permessage-deflate; client_max_window_bits="12", x-webkit-deflate-frame',
        "permessage-deflate; server_max_window_bits=8", ";", "a=b=c",
    )),
    ("Origin", ("http://127.0.0.1", "https://example.org", "https://a.example.org:8443", "null")),
    ("Authorization", ("Bearer abc", "Basic x", "bearer  a.b-c~=")),
    ("Forwarded", ('for=127.0.0.1;proto=https;host="example.org:443"', 'for="', "proto=http,")),
    ("X-Forwarded-Proto", ("https", "https, http", ",")),
    ("X-Forwarded-Host", ("example.org", "a, b:80, [::1]:1")),
    ("X-Forwarded-For", ("127.0.0.1, 10.0.0.1", "::ffff:127.0.0.1", "fe80::1%eth0")),
    ("Content-Length", ("0", "5", "6, 6", "-1", "99999999999999999999")),
    ("Transfer-Encoding", ("chunked", "gzip, chunked")),
    ("Expect", ("100-continue",)),
    ("Cookie", ("a=b", 'session="x; y"')),
)  # fmt: skip
NEEDED = (0, 1, 2, 3, 4)


def built_request(given: Input) -> bytes:
    """Return one request or more, built from choices: mostly a good handshake, slightly off."""
    requests = b""
    while given:
        line = f"{given.choice(METHODS)} {given.choice(TARGETS)} {given.choice(VERSIONS)}\r\n"
        requests += line.encode() + b"".join(built_fields(given)) + b"\r\n"
        requests += given.take(given.byte() & 31)
    return requests


def built_fields(given: Input) -> list[bytes]:
    """Return the fields of one request."""
    spoilt = given.byte()
    fields = [
        field(FIELDS[index][0], FIELDS[index][1], 0) for index in NEEDED if spoilt % 7 != index
    ]
    for _ in range(given.byte() & 7):
        name, values = given.choice(FIELDS)
        chosen = given.byte()
        fields.append(field(name, values, chosen) if chosen < 200 else raw_field(name, given))
    return fields


def field(name: str, values: tuple[str, ...], chosen: int) -> bytes:
    return f"{name}: {values[chosen % len(values)]}\r\n".encode()


def raw_field(name: str, given: Input) -> bytes:
    return name.encode() + b": " + given.take(given.byte()) + b"\r\n"

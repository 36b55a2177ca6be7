"""Applications that are not turnout's: the driver inside uvicorn, beside uvicorn's own three.

Each row is one thing that a client does, and what it sees on each implementation. Where they
differ, the row says how: what uvicorn mends one day makes its row fail.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.adapters.uvicorn.applications import (
    Endpoints,
    fastapi_application,
    starlette_application,
)
from tests.adapters.uvicorn.running import STANDARD, TIMEOUT, RunningUvicorn

from turnout.testing.client import RawClient
from turnout.testing.frames import CLOSE, TEXT, encode_frame
from turnout.testing.stream import EndOfStream

# The legacy implementation warns of itself at every connection.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

IMPLEMENTATIONS = {
    "standard": STANDARD,
    "sansio": "websockets-sansio",
    "legacy": "websockets",
    "wsproto": "wsproto",
}
ENDED = "no close frame"
LIMIT = 1000
Row = Callable[["Visit"], Any]
ROWS: dict[str, tuple[Row, dict[str, Any]]] = {}


class Visit:
    """One client, and what the application saw."""

    def __init__(self, running: RunningUvicorn, endpoints: Endpoints) -> None:
        self.running = running
        self.endpoints = endpoints

    def open(self, target: str, **fields: Any) -> RawClient:
        return self.running.connect(target, **fields)

    def status(self, target: str = "/echo", **fields: Any) -> int:
        return self.running.connect().handshake(target, **fields).status

    def seen(self) -> Any:
        return self.endpoints.seen.get(timeout=TIMEOUT)


def row(**expected: Any) -> Callable[[Row], Row]:
    """Enter a row: what every implementation shows (`all`), and what one shows instead."""

    def enter(look: Row) -> Row:
        ROWS[look.__name__] = (look, expected)
        return look

    return enter


def close_of(client: RawClient) -> Any:
    """Return code and reason of the close frame, or `ENDED`."""
    try:
        frame = client.read_data_frame()
    except (EndOfStream, ConnectionError):
        return ENDED
    assert frame.opcode == CLOSE, frame
    payload = frame.payload
    return (struct.unpack("!H", payload[:2])[0], payload[2:].decode()) if payload else (None, "")


def end(client: RawClient) -> Any:
    """Return what `close_of` does, and let the server see the end of the connection."""
    found = close_of(client)
    client.stream.close()
    return found


@row(all=["text", b"\0\xff", "in pieces", b"ping"])
def echo(visit: Visit) -> Any:
    client = visit.open("/echo")
    client.send_text("text")
    answers: list[Any] = [client.read_text()]
    client.send_binary(b"\0\xff")
    answers.append(client.read_binary())
    client.send_frame(TEXT, b"in ", fin=False)
    client.send_ping(b"ping")
    client.send_frame(0, b"pieces")
    pong = client.read_frame()
    return [*answers, client.read_text(), pong.payload]


@row(all=(101, "chat", "here", "uvicorn", (4001, "bye")))
def accept(visit: Visit) -> Any:
    client = visit.running.connect()
    response = client.handshake("/accept", protocols="soap, chat")
    headers = response.headers
    names = ("Sec-WebSocket-Protocol", "X-Application", "Server")
    return (response.status, *(headers.get(name) for name in names), close_of(client))


@row(all=403)
def refuse(visit: Visit) -> Any:
    return visit.status("/refuse")


@row(all=(401, "Basic", "Who are you?"))
def deny(visit: Visit) -> Any:
    response = visit.running.connect().handshake("/deny")
    return response.status, response.headers.get("WWW-Authenticate"), response.text


@row(all=(402, "one two"), legacy=(402, ""))
def denies_in_pieces(visit: Visit) -> Any:
    response = visit.running.connect().handshake("/deny_in_pieces")
    return response.status, response.text


@row(all=500)
def gives_up(visit: Visit) -> Any:
    return visit.status("/give_up")


@row(all=500)
def fails_before_the_handshake(visit: Visit) -> Any:
    return visit.status("/fail_early")


@row(all=ENDED, standard=(1000, ""))
def returns(visit: Visit) -> Any:
    return close_of(visit.open("/leave"))


@row(all=ENDED, standard=(1011, ""))
def fails(visit: Visit) -> Any:
    client = visit.open("/fail")
    client.send_text("go")
    return close_of(client)


@row(all=101, standard=500, wsproto=ENDED)
def unoffered_subprotocol(visit: Visit) -> Any:
    try:
        return visit.status("/unoffered", protocols="chat")
    except ConnectionError:
        return ENDED


@row(all=((3001, "r"), (3001, "r")))
def client_closes(visit: Visit) -> Any:
    client = visit.open("/echo")
    client.send_close(3001, "r")
    return end(client), visit.seen()


@row(all=((None, ""), 1005))
def client_closes_without_a_code(visit: Visit) -> Any:
    client = visit.open("/echo")
    client.send_close(None)
    return end(client), visit.seen()[0]


@row(all=1005, standard=1006, legacy=1006)
def client_vanishes(visit: Visit) -> Any:
    client = visit.open("/echo")
    client.stream.vanish()
    return visit.seen()[0]


@row(all="RuntimeError")
def sends_after_its_close(visit: Visit) -> Any:
    client = visit.open("/send_after_close")
    client.send_text("go")
    assert client.read_close() == (4000, "")
    client.send_close(4000)
    client.stream.close()
    return visit.seen()


@row(all="ClientDisconnected", legacy="RuntimeError")
def sends_after_the_end(visit: Visit) -> Any:
    client = visit.open("/send_after_end")
    client.send_close()
    end(client)
    return visit.seen()


def failure(visit: Visit, *frames: bytes) -> Any:
    client = visit.open("/echo")
    client.stream.write(b"".join(frames))
    found = end(client)
    return (found if found == ENDED else found[0]), visit.seen()[0]


@row(all=(1002, 1002), legacy=(1002, 1006), wsproto=(ENDED, 1002))
def unmasked_frame(visit: Visit) -> Any:
    return failure(visit, b"\x81\x02hi")


@row(all=(1002, 1002), legacy=(1002, 1006), wsproto=(ENDED, 1002))
def reserved_opcode(visit: Visit) -> Any:
    return failure(visit, encode_frame(3, b""))


@row(all=(1002, 1002), legacy=(1002, 1006), wsproto=(ENDED, 1002))
def illegal_close_code(visit: Visit) -> Any:
    return failure(visit, encode_frame(CLOSE, struct.pack("!H", 1005)))


@row(all=(1007, 1007), legacy=(1007, 1006), wsproto=(ENDED, 1007))
def text_that_is_not_utf_8(visit: Visit) -> Any:
    return failure(visit, encode_frame(TEXT, b"\xff"))


@row(all=(1009, 1009), legacy=(1009, 1006))
def too_large(visit: Visit) -> Any:
    return failure(visit, encode_frame(TEXT, b"x" * (LIMIT + 1)))


@row(all=(1009, 1009), legacy=(1009, 1006))
def too_large_in_pieces(visit: Visit) -> Any:
    half = b"x" * (LIMIT // 2 + 1)
    return failure(visit, encode_frame(TEXT, half, fin=False), encode_frame(0, half))


@row(all=LIMIT)
def as_large_as_may_be(visit: Visit) -> Any:
    client = visit.open("/echo")
    client.send_text("x" * LIMIT)
    return len(client.read_text())


@row(all=(400, None), standard=(426, "13"), wsproto=(426, "13"))
def another_version(visit: Visit) -> Any:
    response = visit.running.connect().handshake("/echo", version="12")
    return response.status, response.headers.get("Sec-WebSocket-Version")


@row(all=400)
def no_key(visit: Visit) -> Any:
    return visit.status(key=None)


@row(all=405, legacy=400, wsproto=400)
def another_method(visit: Visit) -> Any:
    return visit.status(method="POST")


@row(all="permessage-deflate")
def deflate(visit: Visit) -> Any:
    client = visit.running.connect()
    response = client.handshake("/echo", extensions="permessage-deflate; client_max_window_bits")
    return response.headers.get("Sec-WebSocket-Extensions", "").partition(";")[0]


@row(all=ENDED, standard=101)
def asks_again_after_a_refusal(visit: Visit) -> Any:
    client = visit.running.connect()
    client.handshake("/refuse")
    try:
        return client.handshake("/echo").status
    except ConnectionError:
        return ENDED


@pytest.fixture(params=["starlette", "fastapi"], scope="module")
def framework(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=list(IMPLEMENTATIONS), scope="module")
def implementation(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def running(framework: str, implementation: str) -> Iterator[tuple[RunningUvicorn, Endpoints]]:
    """The application of a framework on an implementation of WebSockets."""
    endpoints = Endpoints()
    make = starlette_application if framework == "starlette" else fastapi_application
    settings = {"ws": IMPLEMENTATIONS[implementation], "ws_max_size": LIMIT}
    one = RunningUvicorn(make(endpoints), **settings)
    yield one, endpoints
    one.close()


@pytest.mark.parametrize("name", list(ROWS))
def test_row(running: tuple[RunningUvicorn, Endpoints], implementation: str, name: str) -> None:
    look, expected = ROWS[name]
    assert look(Visit(*running)) == expected.get(implementation, expected["all"])

"""What Tornado does otherwise: each test fails when Tornado has mended it, and its shim can go.

`CheckedWebSocketProtocol` stands in front of the first group, `HTTP1Connection`'s replacement in
`TornadoResponse` of the second, `Backlog` and `close_stream` of the third, `serve` of the last.
"""

from __future__ import annotations

import asyncio
import queue
import socket
import ssl
import threading
import zlib
from typing import Any

import pytest
import tornado
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketHandler

from turnout.testing.certificates import Certificate
from turnout.testing.deadlines import DEADLINE
from turnout.testing.deflating import RSV1, TAIL, deflate
from turnout.testing.frames import BINARY, CLOSE, PING, TEXT, close_payload


class Echo(WebSocketHandler):
    """Tornado's own echo, without turnout."""

    def on_message(self, message: str | bytes) -> None:
        self.write_message(message, binary=isinstance(message, bytes))


class Deflating(Echo):
    def get_compression_options(self) -> dict[str, Any]:
        return {}


def bare() -> Application:
    return Application(
        [(r"/echo", Echo), (r"/deflating", Deflating)], websocket_max_message_size=1000
    )


# What its reader lets through, or cuts without a word


def test_unmasked_frames_are_accepted(run_app: Any) -> None:
    client = run_app(bare).connect("/echo")
    client.send_frame(TEXT, b"unmasked", masked=False)
    assert client.read_text() == "unmasked"


@pytest.mark.parametrize(
    ("opcode", "options"),
    [
        (TEXT, {"rsv": 1}),
        (0x3, {}),
        (PING, {"fin": False}),
        (0x0, {}),
    ],
    ids=["reserved bit", "reserved opcode", "fragmented ping", "lone continuation"],
)
def test_violations_get_no_close_frame(run_app: Any, opcode: int, options: Any) -> None:
    client = run_app(bare).connect("/echo")
    client.send_frame(opcode, b"", **options)
    client.expect_end()


@pytest.mark.parametrize("code", [0, 1005, 1006, 5000])
def test_illegal_close_codes_are_echoed(run_app: Any, code: int) -> None:
    client = run_app(bare).connect("/echo")
    client.send_close(code)
    assert client.read_close()[0] == code


def test_half_a_close_code_is_no_violation(run_app: Any) -> None:
    client = run_app(bare).connect("/echo")
    client.send_frame(CLOSE, b"\x03")
    assert client.read_close() == (None, "")


def test_text_that_is_not_utf8_gets_no_close_frame(run_app: Any) -> None:
    client = run_app(bare).connect("/echo")
    client.send_text(b"caf\xff")
    client.expect_end()


def test_text_that_is_not_utf8_is_found_at_its_end_only(run_app: Any) -> None:
    client = run_app(bare).connect("/echo")
    client.send_frame(TEXT, b"\xff", fin=False)
    client.send_ping(b"not yet")
    assert client.read_frame().payload == b"not yet"


def test_close_reason_that_is_not_utf8_gets_no_close_frame(run_app: Any) -> None:
    client = run_app(bare).connect("/echo")
    client.send_frame(CLOSE, close_payload(1000, b"\xff"))
    client.expect_end()


@pytest.mark.skipif(tornado.version_info < (6, 6), reason="did not even end before Tornado 6.6")
def test_data_that_does_not_inflate_gets_no_close_frame(run_app: Any) -> None:
    client = run_app(bare).connect()
    client.open("/deflating", extensions="permessage-deflate")
    client.send_frame(BINARY, b"\xff\xff\xff\xff", rsv=RSV1)
    client.expect_end()


def test_limit_is_one_for_both_kinds(run_app: Any) -> None:
    running = run_app(bare)
    for opcode in (TEXT, BINARY):
        client = running.connect("/echo")
        client.send_frame(opcode, b"x" * 1001)
        assert client.read_close()[0] == 1009


def test_close_is_answered_before_anybody_is_asked(run_app: Any) -> None:
    read = threading.Event()
    closed: queue.SimpleQueue[bool] = queue.SimpleQueue()

    class Asked(Echo):
        def on_close(self) -> None:
            closed.put(read.wait(DEADLINE))

    client = run_app(lambda: Application([(r"/asked", Asked)])).connect("/asked")
    client.send_close(4000, "mine")
    assert client.read_close()[0] == 4000
    read.set()
    assert closed.get(timeout=DEADLINE)


def test_message_over_the_limit_resets_the_connection(run_app: Any) -> None:
    client = run_app(bare).connect("/echo")
    client.send_frame(BINARY, bytes(100_000))
    with pytest.raises(ConnectionResetError):
        while client.stream.socket.recv(1000):
            pass


def test_what_follows_a_final_block_is_lost(run_app: Any) -> None:
    client = run_app(bare).connect()
    client.open("/deflating", extensions="permessage-deflate")
    compressor = zlib.compressobj(wbits=-15)
    final = compressor.compress(b"first") + compressor.flush()
    client.send_frame(TEXT, final + b"\x00", rsv=RSV1)
    client.send_frame(TEXT, deflate(b"second"), rsv=RSV1)
    inflater = zlib.decompressobj(wbits=-15)
    answers = [client.read_message().payload for _ in range(2)]
    texts = [inflater.decompress(one + TAIL) for one in answers if isinstance(one, bytes)]
    assert texts == [b"first", b""]


def test_windows_are_not_bounded(run_app: Any) -> None:
    client = run_app(bare).connect()
    offer = "permessage-deflate; client_max_window_bits"
    response = client.open("/deflating", extensions=offer)
    assert "window_bits" not in response.headers["Sec-WebSocket-Extensions"]


# What its handshake adds or changes: the 101 is written by turnout


def test_the_101_is_of_tornado_s_making(run_app: Any) -> None:
    client = run_app(bare).connect()
    client.stream.write(client.handshake_request("/echo").encode())
    head = client.stream.read_until(b"\r\n\r\n")
    assert b"Server: TornadoServer/" in head
    assert b"Date: " in head
    assert b"Sec-Websocket-Accept: " in head  # its own spelling


def test_connection_with_two_upgrades_is_refused(run_app: Any) -> None:
    request = {"upgrade": "h2c, websocket"}
    assert run_app(bare).connect().handshake("/echo", **request).status == 400


# What its streams do not: `Backlog`, `close_stream`


def test_a_stream_takes_whatever_it_is_given(run_app: Any) -> None:
    class Flooding(Echo):
        def on_message(self, message: str | bytes) -> None:
            for _ in range(500):
                self.write_message(bytes(100_000), binary=True)
            assert self.ws_connection is not None
            stream: Any = self.ws_connection.stream
            waiting.append(stream._write_buffer._size)

    waiting: list[int] = []
    running = run_app(lambda: Application([(r"/flooding", Flooding)]))
    client = running.connect("/flooding")
    client.send_text("flood")
    client.read_frame()
    running.call(asyncio.sleep(0))  # the handler has returned by then
    assert waiting[0] > 20_000_000  # of 50 MB; it neither waits nor raises


def test_a_tls_stream_ends_without_close_notify(run_app: Any, certificate: Certificate) -> None:
    class Closing(RequestHandler):
        def get(self) -> None:
            self.detach().close()

    client = run_app(lambda: Application([(r"/", Closing)]), certificate).connect()
    client.stream.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    client.stream.socket.suppress_ragged_eofs = False
    with pytest.raises(ssl.SSLEOFError):
        client.stream.socket.recv(1)


# What `serve` does by itself


def test_a_large_head_is_cut_without_an_answer(run_app: Any) -> None:
    client = run_app(bare).connect()
    client.stream.write(b"GET /echo HTTP/1.1\r\nX-Big: " + b"x" * 70_000 + b"\r\n\r\n")
    assert client.stream.read_to_end() == b""


def test_bind_sockets_leaves_a_socket_open(recwarn: pytest.WarningsRecorder) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with pytest.raises(OSError, match="in use") as failed:
            bind_sockets(taken.getsockname()[1], "127.0.0.1")
        assert failed.value.__traceback__ is not None
        frame: Any = failed.value.__traceback__
        while frame.tb_next is not None:
            frame = frame.tb_next
        left = frame.tb_frame.f_locals["sock"]
        assert left.fileno() != -1
        left.close()

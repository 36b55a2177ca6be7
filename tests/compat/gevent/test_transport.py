"""The transport over a real pair of gevent sockets, plain and TLS."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import gevent.event
import pytest
from gevent import socket, ssl
from tests.compat.gevent.sockets import BUFFER, connected

from turnout.testing.certificates import Certificate
from turnout_compat.gevent_runtime import GeventRuntime
from turnout_compat.gevent_tls import TlsTransport, transport_over
from turnout_compat.gevent_transport import GeventTransport

MANY = 16 * BUFFER  # more than the kernel buffers between two sockets


class Recorder:
    """A protocol that keeps what it is told, in order."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.data = b""
        self.keeps_open = False
        self.changed = gevent.event.Event()
        self.on_data: Callable[[], object] = lambda: None

    def _note(self, call: Any) -> None:
        self.calls.append(call)
        self.changed.set()

    def data_received(self, data: bytes) -> None:
        self.data += data
        self.on_data()
        self.changed.set()

    def eof_received(self) -> bool:
        self._note("eof")
        return self.keeps_open

    def connection_lost(self, error: Exception | None) -> None:
        self._note(("lost", error))

    def pause_writing(self) -> None:
        self._note("pause")

    def resume_writing(self) -> None:
        self._note("resume")

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Return when something has changed so that the condition holds."""
        while not condition():
            self.changed.clear()
            self.changed.wait()

    @property
    def is_lost(self) -> bool:
        return any(isinstance(call, tuple) for call in self.calls)


class Pair:
    """A transport, its protocol, and the peer's socket."""

    def __init__(self, near: Any, far: Any, runtime: GeventRuntime) -> None:
        self.socket, self.far = near, far
        self.protocol = Recorder()
        self.transport = transport_over(near, runtime)
        self.transport.begin(self.protocol)

    def has_received(self, size: int) -> bool:
        """Tell whether so much has arrived."""
        return len(self.protocol.data) >= size

    def read_from_far(self, size: int) -> bytes:
        """Read exactly so much at the peer's end."""
        data = b""
        while len(data) < size:
            piece = self.far.recv(min(65536, size - len(data)))
            assert piece, f"the connection ended after {len(data)} bytes"
            data += piece
        return data


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate.make(tmp_path_factory.mktemp("tls"))


@pytest.fixture(params=["plain", "tls"])
def pair(
    request: pytest.FixtureRequest, runtime: GeventRuntime, certificate: Certificate
) -> Iterator[Pair]:
    near, far = connected()
    if request.param == "tls":
        near, far = _with_tls(near, far, certificate.chain, certificate.key)
    pair = Pair(near, far, runtime)
    yield pair
    pair.transport.release()
    near.close()
    far.close()


def _with_tls(near: Any, far: Any, cert: Path, key: Path) -> tuple[Any, Any]:
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.load_cert_chain(cert, key)
    ours.num_tickets = 0  # a client that closes without having read them resets the connection
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    theirs.check_hostname = False
    theirs.verify_mode = ssl.CERT_NONE
    shaking = gevent.spawn(theirs.wrap_socket, far)
    return ours.wrap_socket(near, server_side=True), shaking.get()


def test_the_kind_follows_from_the_socket(pair: Pair) -> None:
    is_tls = isinstance(pair.socket, ssl.SSLSocket)
    assert type(pair.transport) is (TlsTransport if is_tls else GeventTransport)
    assert pair.transport.native is pair.socket
    assert pair.transport.remote_address == pair.far.getsockname()


def test_bytes_arrive_both_ways(pair: Pair) -> None:
    pair.far.sendall(b"ping")
    pair.protocol.wait_until(lambda: pair.protocol.data == b"ping")
    pair.transport.write(b"pong")
    assert pair.read_from_far(4) == b"pong"


def test_much_arrives_in_order(pair: Pair) -> None:
    data = bytes(range(256)) * (MANY // 256)
    gevent.spawn(pair.far.sendall, data)
    pair.protocol.wait_until(lambda: len(pair.protocol.data) == MANY)
    assert pair.protocol.data == data


def test_what_the_socket_does_not_take_is_kept_and_reported(pair: Pair) -> None:
    data = bytes(range(256)) * (MANY // 256)
    pair.transport.write(data)
    pair.transport.write(b"the end")
    assert pair.protocol.calls == ["pause"]
    assert pair.read_from_far(MANY + 7) == data + b"the end"
    pair.protocol.wait_until(lambda: "resume" in pair.protocol.calls)
    assert pair.protocol.calls == ["pause", "resume"]


def test_a_paused_transport_delivers_nothing_and_holds_the_peer_back(pair: Pair) -> None:
    pair.transport.pause_reading()
    sending = gevent.spawn(pair.far.sendall, bytes(2 * MANY))
    gevent.sleep(0.05)
    assert not sending.ready()
    assert pair.protocol.data == b""
    pair.transport.resume_reading()
    pair.protocol.wait_until(lambda: len(pair.protocol.data) == 2 * MANY)


def test_pausing_between_two_pieces_loses_nothing(pair: Pair) -> None:
    """A TLS record is larger than one piece: what is decrypted does not wake the socket again."""
    pair.protocol.on_data = pair.transport.pause_reading
    pair.far.sendall(bytes(100_000))
    while len(pair.protocol.data) < 100_000:
        more = len(pair.protocol.data) + 1
        pair.protocol.wait_until(functools.partial(pair.has_received, more))
        pair.transport.resume_reading()


def test_the_peers_end_ends_the_connection(pair: Pair) -> None:
    pair.far.sendall(b"last words")
    pair.far.close()
    pair.protocol.wait_until(lambda: pair.protocol.is_lost)
    assert pair.protocol.data == b"last words"
    assert pair.protocol.calls == ["eof", ("lost", None)]


def test_a_protocol_may_keep_it_open_for_writing(pair: Pair) -> None:
    if isinstance(pair.socket, ssl.SSLSocket):
        with contextlib.suppress(ssl.SSLWantReadError):
            pair.far.settimeout(0.0)
            pair.far.unwrap()
        pair.far.settimeout(None)
    else:
        pair.far.shutdown(socket.SHUT_WR)
    pair.protocol.keeps_open = True
    pair.protocol.wait_until(lambda: pair.protocol.calls == ["eof"])
    pair.transport.write(b"still here")
    assert pair.read_from_far(10) == b"still here"
    pair.transport.close()
    pair.protocol.wait_until(lambda: pair.protocol.is_lost)


def test_close_writes_what_is_buffered_first(pair: Pair) -> None:
    pair.transport.write(bytes(MANY))
    pair.transport.close()
    pair.transport.close()
    assert not pair.protocol.is_lost
    pair.read_from_far(MANY)
    assert pair.far.recv(1) == b""
    pair.protocol.wait_until(lambda: pair.protocol.is_lost)
    assert pair.protocol.calls == ["pause", "resume", ("lost", None)]


def test_abort_drops_it_and_reports_once_and_not_inside_the_call(pair: Pair) -> None:
    pair.transport.write(bytes(MANY))
    pair.transport.abort()
    pair.transport.abort()
    assert not pair.protocol.is_lost
    pair.protocol.wait_until(lambda: pair.protocol.is_lost)
    pair.transport.write(b"too late")
    pair.transport.close()
    gevent.sleep(0)
    assert pair.protocol.calls == ["pause", ("lost", None)]


def test_write_eof_ends_one_direction(pair: Pair) -> None:
    pair.transport.write(bytes(MANY))
    pair.transport.write_eof()
    pair.transport.write_eof()
    pair.read_from_far(MANY)
    assert pair.far.recv(1) == b""
    if not isinstance(pair.socket, ssl.SSLSocket):  # whose client answers close_notify with its own
        pair.far.sendall(b"goes on")
        pair.protocol.wait_until(lambda: pair.protocol.data == b"goes on")
    pair.far.close()
    pair.protocol.wait_until(lambda: pair.protocol.is_lost)


def test_a_reset_is_reported_as_the_error_it_is(pair: Pair) -> None:
    raw = socket.socket(fileno=pair.far.detach())
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    raw.close()
    pair.protocol.wait_until(lambda: pair.protocol.is_lost)
    (_, error) = pair.protocol.calls[-1]
    if not isinstance(pair.socket, ssl.SSLSocket):  # gevent calls it an end of stream there
        assert isinstance(error, ConnectionResetError)


def test_writing_to_a_peer_that_went_is_reported_once_and_later(pair: Pair) -> None:
    pair.transport.pause_reading()
    raw = socket.socket(fileno=pair.far.detach())
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    raw.close()
    for _ in range(3):
        pair.transport.write(bytes(100_000))
    assert not pair.protocol.is_lost
    pair.protocol.wait_until(lambda: pair.protocol.is_lost)
    (_, error) = pair.protocol.calls[-1]
    assert isinstance(error, OSError)
    assert len([call for call in pair.protocol.calls if isinstance(call, tuple)]) == 1


def test_a_protocol_that_raises_is_cut_and_logged(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise KeyError("a bug")

    pair.protocol.on_data = fail
    pair.far.sendall(b"x")
    pair.protocol.wait_until(lambda: pair.protocol.is_lost)
    assert "KeyError" in caplog.text
    assert isinstance(pair.protocol.calls[-1][1], KeyError)


def test_released_it_watches_the_socket_no_more(pair: Pair) -> None:
    pair.transport.release()
    assert pair.protocol.calls == [("lost", None)]
    pair.far.close()
    gevent.sleep(0.01)
    assert pair.protocol.calls == [("lost", None)]


def test_one_busy_socket_starves_no_other(runtime: GeventRuntime) -> None:
    """The hub serves ready sockets in turn, one chunk each."""
    pairs = [Pair(*connected(), runtime) for _ in range(2)]
    busy, quiet = pairs
    sending = gevent.spawn(busy.far.sendall, bytes(64 * MANY))
    busy.protocol.data_received = lambda data: busy.protocol.calls.append(len(data))  # type: ignore[method-assign]  # keeps no 256 MiB
    busy.protocol.wait_until(lambda: True)
    gevent.sleep(0.01)
    before = len(busy.protocol.calls)
    quiet.far.sendall(b"me too")
    quiet.protocol.wait_until(lambda: quiet.protocol.data == b"me too")
    assert not sending.ready()
    assert len(busy.protocol.calls) - before < 50
    sending.kill()
    for one in pairs:
        one.transport.release()
        one.socket.close()
        one.far.close()

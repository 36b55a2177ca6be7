"""The transport over a real pair of sockets, plain and TLS, in the loop of the I/O thread."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from tests.compat.threads.hosting import DEADLINE, trusting

from turnout.testing.certificates import Certificate
from turnout_compat.threads_io import IoRuntime
from turnout_compat.threads_transport import ThreadHangupWatch, transport_over

BUFFER = 256 * 1024  # at each end: left alone, the kernel takes more and more
MANY = 4 * 1024 * 1024  # more than the kernel then buffers between two sockets


class Recorder:
    """A protocol that keeps what it is told, in order."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.data = b""
        self.keeps_open = False
        self._changed = threading.Condition()

    def _note(self, call: Any) -> None:
        with self._changed:
            self.calls.append(call)
            self._changed.notify_all()

    def data_received(self, data: bytes) -> None:
        with self._changed:
            self.data += data
            self._changed.notify_all()

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
        with self._changed:
            assert self._changed.wait_for(condition, DEADLINE), self.calls

    @property
    def is_lost(self) -> bool:
        return any(isinstance(call, tuple) for call in self.calls)


class Pair:
    """A transport, its protocol, and the peer's socket."""

    def __init__(self, near: socket.socket, far: socket.socket) -> None:
        self.near, self.far = near, far
        self.io = IoRuntime.shared().start()
        self.protocol = Recorder()
        self.transport = transport_over(near, self.io.loop)
        self.inside(lambda: self.transport.begin(self.protocol))

    def inside(self, call: Callable[[], object]) -> None:
        """Call something in the loop, and return when it has been."""

        async def run() -> None:
            call()

        self.io.call_blocking(run())

    def read_from_far(self, size: int) -> bytes:
        """Read exactly so much at the peer's end."""
        data = b""
        while len(data) < size:
            piece = self.far.recv(min(65536, size - len(data)))
            assert piece, f"the connection ended after {len(data)} bytes"
            data += piece
        return data

    def close(self) -> None:
        self.inside(self.transport.release)
        self.near.close()
        self.far.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate.make(tmp_path_factory.mktemp("tls"))


def connected(certificate: Certificate | None) -> tuple[socket.socket, socket.socket]:
    """Return both ends of a TCP connection, with TLS if there is a certificate."""
    far = socket.socket()
    far.settimeout(DEADLINE)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        for one in (listener, far):  # what is accepted has it of the listener
            one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        far.connect(listener.getsockname())
        near, _ = listener.accept()
    if certificate is None:
        return near, far
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.chain, certificate.key)
    wrapped: list[ssl.SSLSocket] = []
    shaking = threading.Thread(
        target=lambda: wrapped.append(context.wrap_socket(near, server_side=True))
    )
    shaking.start()
    far = trusting().wrap_socket(far)
    shaking.join(DEADLINE)
    return wrapped[0], far


@pytest.fixture(params=["plain", "tls"])
def pair(request: pytest.FixtureRequest, certificate: Certificate) -> Iterator[Pair]:
    pair = Pair(*connected(certificate if request.param == "tls" else None))
    yield pair
    pair.close()


def test_bytes_arrive_in_both_directions(pair: Pair) -> None:
    pair.far.sendall(b"ping")
    pair.protocol.wait_until(lambda: pair.protocol.data == b"ping")
    pair.inside(lambda: pair.transport.write(b"pong"))
    assert pair.read_from_far(4) == b"pong"


def test_what_the_socket_does_not_take_waits_and_the_protocol_is_told(pair: Pair) -> None:
    data = bytes(range(256)) * (MANY // 256)
    pair.inside(lambda: pair.transport.write(data))
    assert pair.protocol.calls == ["pause"]
    assert pair.read_from_far(MANY) == data
    pair.protocol.wait_until(lambda: pair.protocol.calls == ["pause", "resume"])


def test_a_pause_holds_the_peer_back(pair: Pair) -> None:
    pair.inside(pair.transport.pause_reading)
    sending = threading.Thread(target=pair.far.sendall, args=(b"x" * MANY,))
    sending.start()
    sending.join(0.2)
    assert sending.is_alive()
    assert pair.protocol.data == b""
    pair.inside(pair.transport.resume_reading)
    sending.join(DEADLINE)
    pair.protocol.wait_until(lambda: len(pair.protocol.data) == MANY)


def test_close_writes_what_waits_first(pair: Pair) -> None:
    def write_and_close() -> None:
        pair.transport.write(b"x" * MANY)
        pair.transport.close()
        pair.transport.write(b"too late")

    pair.inside(write_and_close)
    assert pair.read_from_far(MANY) == b"x" * MANY
    assert pair.far.recv(1) == b""
    pair.protocol.wait_until(lambda: pair.protocol.is_lost)
    assert pair.protocol.calls[-1] == ("lost", None)


def test_an_ended_output_still_reads(pair: Pair) -> None:
    pair.inside(pair.transport.write_eof)
    assert pair.far.recv(1) == b""
    with suppress(OSError):  # TLS of Python ends both directions
        pair.far.sendall(b"still")
        pair.protocol.wait_until(lambda: pair.protocol.data == b"still")


@pytest.mark.parametrize("keeps_open", [False, True])
def test_the_end_of_the_peers_direction(pair: Pair, keeps_open: bool) -> None:
    pair.protocol.keeps_open = keeps_open
    socket.socket.shutdown(pair.far, socket.SHUT_WR)
    pair.protocol.wait_until(lambda: bool(pair.protocol.calls))
    if not keeps_open:
        pair.protocol.wait_until(lambda: pair.protocol.is_lost)


def test_abort_ends_at_once_and_tells_once(pair: Pair) -> None:
    def abort() -> None:
        pair.transport.write(b"x" * MANY)
        pair.transport.abort()
        pair.transport.abort()
        assert not pair.protocol.is_lost  # never inside a call of the session's

    pair.inside(abort)
    pair.protocol.wait_until(lambda: pair.protocol.is_lost)
    pair.inside(pair.transport.release)
    assert [one for one in pair.protocol.calls if isinstance(one, tuple)] == [("lost", None)]


def test_a_protocol_that_fails_loses_its_connection(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(data: bytes) -> None:
        raise ValueError(data)

    monkeypatch.setattr(pair.protocol, "data_received", fail)
    pair.far.sendall(b"x")
    pair.protocol.wait_until(lambda: pair.protocol.is_lost)
    assert isinstance(pair.protocol.calls[-1][1], ValueError)


# Clients of plain HTTP that have gone


@pytest.mark.parametrize("by", ["epoll", "peek"])
def test_a_client_that_goes_is_noticed(by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if by == "peek":  # as on systems without epoll
        monkeypatch.setattr(ThreadHangupWatch, "make_epoll", None)
    near, far = connected(None)
    with near, far:
        gone = threading.Event()
        watch = ThreadHangupWatch(near, IoRuntime.shared().start(), gone.set)
        assert not watch.has_fired
        far.close()
        assert gone.wait(DEADLINE)
        assert watch.has_fired
        watch.close()


def test_what_the_client_has_sent_stays_to_be_read() -> None:
    near, far = connected(None)
    with near, far:
        gone = threading.Event()
        watch = ThreadHangupWatch(near, IoRuntime.shared().start(), gone.set)
        far.sendall(b"pipelined")
        far.shutdown(socket.SHUT_WR)
        assert gone.wait(DEADLINE)
        watch.close()
        assert near.recv(100) == b"pipelined"

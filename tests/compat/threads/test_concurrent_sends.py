"""Sends from many threads: ordered for each sender, never interleaved, and nobody held up."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.compat.threads.hosting import DEADLINE, Driven, Plain, hosted

import turnout.blocking
from turnout import ConnectionClosed, Overflow, TextMessage, broadcast
from turnout.drive import drive
from turnout.testing.certificates import Certificate
from turnout.testing.client import RawClient
from turnout_compat.threads_runtime import ThreadsRuntime

ROUTES = ("driven", "blocking", "broadcast", "registry", "timer", "pieces")
NARROW = 4096


def payload_of(sender: int, number: int, size: int) -> str:
    """Return a message that says whose it is, and is spoilt by any other in between."""
    return f"{sender}:{number}:" + chr(ord("a") + sender % 26) * size


class Senders:
    """Threads that send to one session, each by its own route."""

    def __init__(self, session: Any, registry: Any) -> None:
        self._session = session
        self._registry = registry
        self._begin = threading.Barrier(1)
        self.errors: list[BaseException] = []

    def run(self, plans: list[tuple[str, list[int]]]) -> None:
        """Have every plan, a route and the sizes to send, carried out at the same time."""
        self._begin = threading.Barrier(len(plans))
        threads = [
            threading.Thread(target=self._send, args=(sender, *plan))
            for sender, plan in enumerate(plans)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(DEADLINE)
            assert not thread.is_alive(), "a sender is held up"

    def _send(self, sender: int, route: str, sizes: list[int]) -> None:
        try:
            self._begin.wait(DEADLINE)
            send: Callable[[str], object] = getattr(self, f"by_{route}")
            for number, size in enumerate(sizes):
                send(payload_of(sender, number, size))
        except BaseException as error:  # looked at by the test's own thread
            self.errors.append(error)

    def by_driven(self, text: str) -> None:
        drive(self._session.send(text))

    def by_blocking(self, text: str) -> None:
        self._session.blocking.send_text(text)

    def by_broadcast(self, text: str) -> None:
        assert broadcast([self._session], text) == 1

    def by_registry(self, text: str) -> None:
        assert drive(self._registry.send(self._session.id, text))

    def by_timer(self, text: str) -> None:
        sent = threading.Event()

        def send() -> None:
            self._session.blocking.send(text)
            sent.set()

        ThreadsRuntime.shared().call_later(0, send)
        assert sent.wait(DEADLINE)

    def by_pieces(self, text: str) -> None:
        with PIECES:  # whoever sends pieces of one message sends them all
            half = len(text) // 2
            first = TextMessage(text[:half], is_last=False)
            self._session.blocking.send(first)
            self._session.blocking.send(TextMessage(text[half:], is_first=False))


PIECES = threading.Lock()


def check(client: RawClient, plans: list[tuple[str, list[int]]]) -> None:
    """Read what all senders send; each one's must come in order, and whole."""
    expected = [
        [payload_of(sender, number, size) for number, size in enumerate(sizes)]
        for sender, (_, sizes) in enumerate(plans)
    ]
    received: list[list[str]] = [[] for _ in plans]
    for _ in range(sum(map(len, expected))):
        text = client.read_text()
        received[int(text.partition(":")[0])].append(text)
    assert received == expected


def run(plans: list[tuple[str, list[int]]], tls: ssl.SSLContext | None = None) -> None:
    """Carry plans out on one session."""
    ready: list[Any] = []
    is_ready, done = threading.Event(), threading.Event()

    def handler(session: Any) -> None:
        ready.append(server.registry.sessions[session.id])
        is_ready.set()
        assert done.wait(DEADLINE)

    # `broadcast` waits for nobody: the buffer must hold what it posts at once.
    with hosted(send_buffer=None, tls=tls) as server:
        client = server.connect(Plain(handler))
        assert is_ready.wait(DEADLINE)
        senders = Senders(ready[0], server.registry)
        reading: list[BaseException | None] = []

        def read() -> None:
            try:
                check(client, plans)
                reading.append(None)
            except BaseException as error:  # raised again by the test's own thread
                reading.append(error)

        reader = threading.Thread(target=read)
        reader.start()
        senders.run(plans)
        reader.join(DEADLINE)
        done.set()
        assert senders.errors == []
        assert reading == [None]
        assert client.answer_close() == (1000, "")


PLANS = st.lists(
    st.tuples(
        st.sampled_from(ROUTES),
        st.lists(st.sampled_from([0, 1, 100, 125, 126, 5000, 70_000]), max_size=8),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=40, deadline=None)
@given(plans=PLANS)
def test_whatever_threads_send_arrives_whole_and_in_the_order_of_each(
    plans: list[tuple[str, list[int]]],
) -> None:
    run(plans)


@pytest.fixture(scope="module")
def server_tls(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    directory: Path = tmp_path_factory.mktemp("tls")
    certificate = Certificate.make(directory)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.chain, certificate.key)
    return context


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_twelve_threads_at_once(secure: bool, server_tls: ssl.SSLContext) -> None:
    plans = [(ROUTES[number % len(ROUTES)], [10, 20_000, 0] * 40) for number in range(12)]
    run(plans, server_tls if secure else None)


def test_reading_and_sending_of_two_threads_share_a_tls_socket(server_tls: ssl.SSLContext) -> None:
    count = 300

    def handler(session: Any) -> None:
        def send() -> None:
            for number in range(count):
                session.send(f"{number}:" + "x" * 3000)

        sending = turnout.blocking.spawn(send)
        for number in range(count):
            assert session.receive().payload == f"{number}:" + "y" * 3000
        sending.result()

    handling = Plain(handler)
    with hosted(tls=server_tls) as server:
        client = server.connect(handling)
        for number in range(count):
            client.send_text(f"{number}:" + "y" * 3000)
            assert client.read_text() == f"{number}:" + "x" * 3000
        assert client.answer_close() == (1000, "")
    assert handling.error is None


def test_a_broadcaster_is_not_held_up_by_a_peer_that_does_not_read() -> None:
    sessions: list[Any] = []
    both = threading.Semaphore(0)

    async def handler(session: Any) -> None:
        sessions.append(session)
        both.release()
        await session.receive()

    with hosted(overflow=Overflow.TERMINATE, send_timeout=600, close_timeout=0.1) as server:
        stuck = Driven(handler)
        server.connect(stuck, receive_buffer=NARROW)
        reader = server.connect(Driven(handler))
        for _ in range(2):
            assert both.acquire(timeout=DEADLINE)
        size, count = 100_000, 200  # 20 MB: more than the sockets and the buffer hold
        for number in range(count):
            assert broadcast(sessions, f"{number}:" + "x" * size) >= 1
            assert reader.read_text().startswith(f"{number}:")
        assert stuck.closed.wait(DEADLINE)
        assert stuck.codes == [4500]
        reader.close()


def test_a_sender_is_held_back_while_the_peer_does_not_read_and_fails_when_it_goes() -> None:
    sent: list[int] = []

    def handler(session: Any) -> None:
        for number in range(10_000):
            session.send(b"x" * 16_384)
            sent.append(number)

    handling = Plain(handler)
    with hosted(send_timeout=600, close_timeout=1) as server:
        client = server.connect(handling, receive_buffer=NARROW)
        client.read_binary()
        before = -1
        while before != len(sent):  # until it sends no more
            before = len(sent)
            time.sleep(0.1)
        assert len(sent) * 16_384 < 32 * 1024 * 1024
        client.stream.vanish()
        assert handling.closed.wait(DEADLINE)
    assert isinstance(handling.error, ConnectionClosed)
    assert handling.codes == [1006]

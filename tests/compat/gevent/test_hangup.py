"""Noticing that a client has gone, without touching what it sent."""

from __future__ import annotations

from collections.abc import Iterator

import gevent
import gevent.event
import pytest
from gevent import socket
from tests.compat.gevent.sockets import connected

from turnout_compat.gevent_hangup import GeventHangupWatch
from turnout_compat.gevent_runtime import GeventRuntime


class Client:
    """A watched connection and its other end."""

    def __init__(self, runtime: GeventRuntime) -> None:
        self.near, self.far = connected()
        self.runtime = runtime
        self.gone = gevent.event.Event()
        self.watch: GeventHangupWatch | None = None

    def begin(self) -> GeventHangupWatch:
        self.watch = GeventHangupWatch(self.near, self.runtime.hub, self.gone.set)
        return self.watch

    def close(self) -> None:
        if self.watch is not None:
            self.watch.close()
        self.near.close()
        self.far.close()


@pytest.fixture(params=["epoll", "peek"])
def client(
    request: pytest.FixtureRequest, runtime: GeventRuntime, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Client]:
    if request.param == "peek":  # as on systems without epoll
        monkeypatch.setattr(GeventHangupWatch, "make_epoll", None)
    client = Client(runtime)
    yield client
    client.close()


def test_nothing_happens_while_the_client_is_there(client: Client) -> None:
    watch = client.begin()
    gevent.sleep(0.01)
    assert not watch.has_fired
    assert not client.gone.is_set()


def test_its_end_is_noticed(client: Client) -> None:
    watch = client.begin()
    client.far.close()
    assert client.gone.wait()
    assert watch.has_fired


def test_an_end_from_before_is_noticed_at_once(client: Client) -> None:
    client.far.close()
    gevent.sleep(0.01)
    assert client.begin().has_fired
    assert client.gone.is_set()


def test_a_reset_is_noticed(client: Client) -> None:
    client.begin()
    client.far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.far.close()
    assert client.gone.wait()


def test_a_pipelined_request_is_neither_taken_nor_mistaken_for_the_end(client: Client) -> None:
    watch = client.begin()
    client.far.sendall(b"GET / HTTP/1.1\r\n")
    gevent.sleep(0.01)
    assert not watch.has_fired
    assert client.near.recv(100) == b"GET / HTTP/1.1\r\n"


def test_the_end_behind_unread_bytes_is_noticed(runtime: GeventRuntime) -> None:
    client = Client(runtime)
    client.begin()
    client.far.sendall(b"GET / HTTP/1.1\r\n")
    client.far.close()
    assert client.gone.wait()
    assert client.near.recv(100) == b"GET / HTTP/1.1\r\n"
    client.close()


def test_closed_it_notices_nothing(client: Client) -> None:
    client.begin().close()
    client.watch = None
    client.far.close()
    gevent.sleep(0.01)
    assert not client.gone.is_set()

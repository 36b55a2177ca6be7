"""What a handler takes of a delivery by itself, and what it leaves to the hub."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import MagicMock

import pytest

from turnout import WebSocketOptions
from turnout.protocol.extensions import DeflateParameters
from turnout.testing.frames import PING, TEXT, encode_frame
from turnout_compat.gevent_connection import GeventConnection


class Session:
    """Notes what is delivered, and what a handler would do meanwhile."""

    def __init__(self) -> None:
        self.is_open = True
        self.received: list[Any] = []
        self.runtime = MagicMock()
        self.handle: Callable[[], object] = lambda: None

    def message_received(self, message: Any) -> None:
        self.received.append(message.payload)
        self.handle()

    def ping_received(self, message: Any) -> None:
        self.received.append(message.payload)


@pytest.fixture(params=[None, DeflateParameters()], ids=["plain", "deflate"])
def connection(request: pytest.FixtureRequest) -> GeventConnection:
    connection = GeventConnection(MagicMock(), WebSocketOptions(), request.param)
    connection.session = Session()  # type: ignore[assignment]  # all that is used of one
    connection.start()
    return connection


def session_of(connection: GeventConnection) -> Session:
    session: Any = connection.session
    assert isinstance(session, Session)
    return session


def text(payload: bytes) -> bytes:
    return encode_frame(TEXT, payload)


def test_messages_behind_the_first_are_given(connection: GeventConnection) -> None:
    session, taken = session_of(connection), list[Any]()

    def handle() -> None:
        while (message := connection.next_message()) is not None:
            taken.append(message.payload)

    session.handle = handle
    last = text(b"d")
    connection.data_received(text(b"a") + text(b"b") + text(b"c") + last[:3])
    assert (session.received, taken) == (["a"], ["b", "c"])
    connection.data_received(last[3:])
    assert (session.received, taken) == (["a", "d"], ["b", "c"])


def test_what_is_no_message_is_left_to_the_hub(connection: GeventConnection) -> None:
    session = session_of(connection)
    session.handle = connection.next_message
    connection.data_received(text(b"a") + encode_frame(PING, b"p") + text(b"b"))
    assert session.received == ["a", b"p", "b"]


@pytest.mark.parametrize("behind", [b"", encode_frame(PING, b"p")], ids=["nothing", "ping"])
def test_a_pause_behind_the_last_message_loses_nothing(
    connection: GeventConnection, behind: bytes
) -> None:
    session = session_of(connection)

    def handle() -> None:
        assert connection.next_message() is None
        connection.pause_reading()

    session.handle = handle
    connection.data_received(text(b"a") + behind)
    assert session.received == ["a"]
    connection.data_received(text(b"b"))
    session.handle = lambda: None
    connection.resume_reading()
    assert session.received == (["a", b"p", "b"] if behind else ["a", "b"])


@pytest.mark.parametrize("how", ["closing", "paused"])
def test_nothing_is_given_to_a_session_that_takes_nothing(
    connection: GeventConnection, how: str
) -> None:
    session = session_of(connection)

    def handle() -> None:
        if how == "paused":
            connection.pause_reading()
        else:
            session.is_open = False
        assert connection.next_message() is None

    session.handle = handle
    connection.data_received(text(b"a") + text(b"b"))
    assert session.received == (["a"] if how == "paused" else ["a", "b"])

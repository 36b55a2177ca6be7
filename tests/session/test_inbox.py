"""What was received and not handled: bounded, in order, the sender held back in time."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.session.manual import ManualConnection, ManualRuntime

from turnout import TextMessage, UsageError
from turnout.session.inbox import OVERHEAD, RuntimeInbox


def inbox(limit: int | None) -> tuple[RuntimeInbox, ManualConnection]:
    """Return an inbox and the connection that it holds back."""
    connection = ManualConnection()
    return RuntimeInbox(connection, limit, ManualRuntime()), connection


def step(coroutine: Any) -> Any:
    """Run a coroutine to its next wait; return its result, or None while it waits."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    return None


@given(st.lists(st.one_of(st.integers(0, 500), st.just("take"))), st.integers(0, 1000))
def test_reading_stops_above_the_limit_and_resumes_below(actions: list[Any], limit: int) -> None:
    """Whatever comes and goes: at most the limit and one message, and never held for nothing."""
    box, connection = inbox(limit)
    model: list[str] = []
    for action in actions:
        if action == "take":
            taken = box.take()
            assert (None if taken is None else taken.payload) == (model.pop(0) if model else None)
        elif connection.reading:  # an engine that was paused delivers nothing
            message = TextMessage("x" * action)
            box.put(message)
            model.append(message.payload)
        waiting = sum(len(payload) + OVERHEAD for payload in model)
        if waiting > limit:
            assert not connection.reading
        if waiting * 2 <= limit or not model:
            assert connection.reading
        assert waiting <= limit + 500 + OVERHEAD


def test_unlimited_never_stops_reading() -> None:
    box, connection = inbox(None)
    for _ in range(1000):
        box.put(TextMessage("x" * 1000))
    assert connection.reading


def test_next_waits_for_a_message_and_for_the_end() -> None:
    box, _ = inbox(100)
    waiting = box.next()
    assert step(waiting) is None
    box.put(TextMessage("a"))
    assert step(waiting) == TextMessage("a")
    box.put(TextMessage("b"))
    box.end()
    assert step(box.next()) == TextMessage("b")
    assert box.ended
    assert step(box.next()) is None


def test_two_receivers_are_told() -> None:
    box, _ = inbox(100)
    first = box.next()
    step(first)
    with pytest.raises(UsageError, match="two tasks receive"):
        step(box.next())
    first.close()


def test_empty_messages_count() -> None:
    """A flood of empty messages is held back too."""
    box, connection = inbox(10 * OVERHEAD)
    for _ in range(11):
        box.put(TextMessage(""))
    assert not connection.reading


def test_clear_lets_the_engine_read_on() -> None:
    box, connection = inbox(0)
    box.put(TextMessage("x"))
    assert not connection.reading
    box.clear()
    assert connection.reading
    assert box.take() is None

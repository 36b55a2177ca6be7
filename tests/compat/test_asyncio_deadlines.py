"""Deadlines behave like timers of the loop, in any order of adding, cancelling and waiting."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Iterator
from contextvars import ContextVar, copy_context

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from turnout_compat.asyncio_deadlines import SPARE, Deadline, Deadlines

DELAY = 10.0


class SteppedLoop(asyncio.SelectorEventLoop):
    """A loop whose clock stands still until it is told."""

    now = 0.0

    def time(self) -> float:
        return self.now

    def turn(self) -> None:
        """Run what is due and ready now, and what that calls soon."""
        for _ in range(3):
            self.call_soon(self.stop)
            self.run_forever()

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.turn()


@pytest.fixture
def loop() -> Iterator[SteppedLoop]:
    loop = SteppedLoop()
    yield loop
    loop.close()


class DeadlinesMachine(RuleBasedStateMachine):
    """Compared with a list of what is to be called when."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = SteppedLoop()
        self.deadlines = Deadlines(self.loop, DELAY)
        self.called: list[int] = []
        self.expected: list[int] = []
        self.pending: dict[int, tuple[float, Deadline]] = {}
        self.number = 0

    @rule()
    def add(self) -> None:
        number = self.number = self.number + 1
        deadline = self.deadlines.add(lambda: self.called.append(number))
        self.pending[number] = self.loop.now + DELAY, deadline

    @precondition(lambda self: self.pending)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.pending)))
        self.pending[number][1].cancel()
        self.pending.pop(number)[1].cancel()

    @rule(seconds=st.sampled_from([0.5, 3.0, 9.5, 10.0, 25.0]))
    def wait(self, seconds: float) -> None:
        self.loop.pass_time(seconds)
        due = [number for number, (when, _) in self.pending.items() if when <= self.loop.now]
        for number in due:
            self.pending.pop(number)[1].cancel()  # too late, and harmless
        self.expected += due

    @invariant()
    def what_is_due_was_called_once_in_order(self) -> None:
        assert self.called == self.expected

    @invariant()
    def hardly_more_is_kept_than_what_waits(self) -> None:
        assert self.deadlines.waiting == len(self.pending)
        assert len(self.deadlines) <= 2 * len(self.pending) + SPARE + 1

    def teardown(self) -> None:
        self.loop.close()


TestDeadlines = DeadlinesMachine.TestCase
TestDeadlines.settings = settings(max_examples=100, deadline=None)


def test_many_that_are_cancelled_are_not_kept(loop: SteppedLoop) -> None:
    deadlines = Deadlines(loop, DELAY)
    for _ in range(10_000):
        deadlines.add(lambda: None).cancel()
    assert len(deadlines) <= SPARE + 1


def test_one_that_is_cancelled_in_the_turn_that_it_is_due_in(loop: SteppedLoop) -> None:
    deadlines = Deadlines(loop, DELAY)
    called: list[str] = []
    doomed: list[Deadline] = []

    def cancel_the_next() -> None:
        doomed[0].cancel()

    deadlines.add(cancel_the_next)
    doomed.append(deadlines.add(lambda: called.append("second")))
    deadlines.add(lambda: called.append("third"))
    loop.pass_time(DELAY)
    assert called == ["third"]


def test_one_that_raises_does_not_keep_the_next(loop: SteppedLoop) -> None:
    deadlines = Deadlines(loop, DELAY)
    called: list[str] = []
    errors: list[BaseException | None] = []
    loop.set_exception_handler(lambda _, context: errors.append(context.get("exception")))

    def fail() -> None:
        raise ValueError("the callback's own")

    deadlines.add(fail)
    deadlines.add(lambda: called.append("next"))
    loop.pass_time(DELAY)
    assert called == ["next"]
    assert [type(error) for error in errors] == [ValueError]


def test_one_timer_of_the_loop_for_all(loop: SteppedLoop) -> None:
    deadlines = Deadlines(loop, DELAY)
    for _ in range(100):
        deadlines.add(lambda: None)
    assert len(loop._scheduled) == 1  # type: ignore[attr-defined]  # asyncio's own books


def test_nothing_is_kept_of_the_context_of_who_adds(loop: SteppedLoop) -> None:
    class User:
        """Somebody's, in a context variable."""

    user: ContextVar[User | None] = ContextVar("user", default=None)
    deadlines = Deadlines(loop, DELAY)
    seen: list[User | None] = []

    def of_somebody() -> weakref.ref[User]:
        somebody = User()
        user.set(somebody)
        deadlines.add(lambda: seen.append(user.get()))
        return weakref.ref(somebody)

    reference = copy_context().run(of_somebody)
    deadlines.add(lambda: seen.append(user.get()))
    assert reference() is None
    loop.pass_time(DELAY)
    assert seen == [None, None]

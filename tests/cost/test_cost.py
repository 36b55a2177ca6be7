"""What a message costs is what was committed: a change of more than 5 % is made known with it."""

from __future__ import annotations

import json

import pytest
from tests.cost.counting import bytecodes
from tests.cost.figures import PYTHON, read
from tests.cost.inputs import TEXT_125, echo_of, measure, most_expensive, of_one

from turnout.close import CloseStatus
from turnout.options import WebSocketOptions
from turnout.protocol.driver import Driver

TOLERATED = 0.05
COMMAND = "python -m tests.cost"


class WithoutShortCut(Driver):
    """The driver as it would be if its short cut were lost."""

    __slots__ = ()
    _short_cut = False


@pytest.fixture(scope="module")
def counted() -> dict[str, int]:
    return measure()


def test_costs_are_those_committed(counted: dict[str, int]) -> None:
    """Cheaper or dearer, the figures go into the commit that changes them."""
    committed = read().get(PYTHON, {})
    assert counted.keys() == committed.keys(), f"what is counted has changed: run {COMMAND}"
    changed = {
        name: f"{committed[name]} → {count} bytecodes"
        for name, count in counted.items()
        if abs(count / committed[name] - 1) > TOLERATED
    }
    assert not changed, f"run {COMMAND} and commit what it writes, if that is meant: {changed}"


def test_the_same_is_counted_each_time(counted: dict[str, int]) -> None:
    assert measure() == counted


def test_a_lost_short_cut_is_seen() -> None:
    sound = of_one(echo_of(Driver(WebSocketOptions()), TEXT_125))
    slow = of_one(echo_of(WithoutShortCut(WebSocketOptions()), TEXT_125))
    assert slow > sound * (1 + TOLERATED)


def test_only_our_own_code_is_counted() -> None:
    assert bytecodes(lambda: json.dumps([1, 2, 3])) == 0
    assert bytecodes(CloseStatus(1000).check_sendable) > 0


def test_functions_make_up_the_whole(counted: dict[str, int]) -> None:
    taken = sum(count for _, count in most_expensive("callback", 1000))
    assert taken == counted["connection, callback, text"]

"""The soak itself: short, it passes on a sound server and finds every seeded fault."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from tests.soak.faulty_subject import FAULTS
from tests.soak.journal import Entry
from tests.soak.record import Record
from tests.soak.report import as_markdown
from tests.soak.soak import Soak
from tests.soak.storm import Plan
from tests.soak.subjects import SHAPES
from tests.soak.verdict import differences, violations

PLAN = Plan(connections=60, rate=300, messages=10, paths=SHAPES, deflate=True, processes=2)
AT_REST = {
    "process": 1,
    "memory": 100 << 20,
    "heap": 50 << 20,
    "blocks": 100_000,
    "descriptors": 10,
    "threads": 1,
    "tasks": 2,
    "greenlets": 0,
    "sessions": 0,
}


@pytest.mark.timeout(300)
def test_sound_server_passes() -> None:
    result = Soak(
        engine="wsproto", strategy=None, seconds=15, plan=PLAN, warm_up=5, resting=2
    ).run()
    assert result.failures == []
    assert result.opened > PLAN.connections
    assert result.acknowledged > PLAN.connections
    assert result.processes_killed
    assert result.most_sessions
    assert {"reset", "FIN", "half a message", "closed by the handler"} <= set(result.ends)
    assert "| **violations** | **0** |" in as_markdown([result])


@pytest.mark.timeout(300)
@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_found(fault: str) -> None:
    result = Soak(
        engine="wsproto",
        strategy=None,
        seconds=4,
        plan=replace(PLAN, patience=5),
        subject="tests.soak.faulty_subject:registry",
        warm_up=2,
        resting=1,
        settling=4,
        environment={"TURNOUT_SOAK_FAULT": fault},
    ).run()
    _, complaint = FAULTS[fault]
    assert any(re.search(complaint, failure) for failure in result.failures), result.failures


def test_sound_journal_has_no_violation() -> None:
    journal = {1: Entry(opened=1, closed=1, received=9)}
    assert violations(journal, Record(acknowledged={1: 9})) == []


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        (Entry(opened=1, closed=1, received=8), "message 9 acknowledged, the handler's last was 8"),
        (Entry(opened=1, closed=2, received=9), "of its end 2 times"),
        (Entry(opened=1, closed=0, received=0), "of its end 0 times"),
        (Entry(opened=2, closed=1, received=9), "told of its begin 2 times"),
        (Entry(closed=1), "no handler has seen it"),
        (Entry(1, 1, 9, ["message 3 after 1"]), "the handler got message 3 after 1"),
    ],
)
def test_each_violation_is_told(entry: Entry, complaint: str) -> None:
    found = violations({1: entry}, Record(acknowledged={1: 9}))
    assert any(complaint in one for one in found), found


def test_connection_that_only_its_client_knows_is_a_violation() -> None:
    [found] = violations({}, Record(acknowledged={7: 0}))
    assert "connection 7: open for its client" in found


def test_what_returns_is_no_difference() -> None:
    after = {**AT_REST, "memory": 104 << 20, "blocks": 100_500, "descriptors": 9}
    assert differences(AT_REST, after) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("process", 2),
        ("memory", 170 << 20),
        ("heap", 56 << 20),
        ("blocks", 106_000),
        ("descriptors", 11),
        ("threads", 2),
        ("tasks", 3),
        ("greenlets", 1),
        ("sessions", 1),
    ],
)
def test_each_difference_is_told(name: str, value: int) -> None:
    [found] = differences(AT_REST, {**AT_REST, name: value})
    assert name in found

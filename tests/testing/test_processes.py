"""What the operating system says of processes: both ways to ask it, and the watch."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from turnout.testing import processes as processes_module
from turnout.testing.processes import (
    MemoryWatch,
    family_of,
    largest_send_buffer,
    memory_of,
    processes,
    seconds_of,
    standing_still,
)

MIB = 1024 * 1024
# Starts a child of its own, tells its number, and takes a moment's memory at each line it reads.
PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
print(child.pid, flush=True)
for line in sys.stdin:
    taken = bytearray(int(line))
    taken[::4096] = b"x" * len(taken[::4096])
    print("taken", flush=True)
    sys.stdin.readline()
    del taken
    print("given back", flush=True)
child.communicate(b"\\n")
"""


@pytest.fixture(params=["proc", "ps"])
def way(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    requires: Callable[[str], Path],
) -> str:
    """Ask in each of the two ways, where there is one."""
    if request.param == "ps":
        requires("ps")
        monkeypatch.setattr(processes_module, "HAS_PROC", False)
    elif not processes_module.HAS_PROC:
        pytest.skip("there is no /proc here")
    return str(request.param)


class Parent:
    """A process with a child."""

    def __init__(self) -> None:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            [sys.executable, "-c", PARENT], stdin=pipe, stdout=pipe, text=True
        )
        self.child = int(self.read())

    def read(self) -> str:
        """Return its next line."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def write(self, line: str) -> str:
        """Send a line and return the answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return self.read()


@pytest.fixture
def parent() -> Iterator[Parent]:
    """A process with a child; both end with the test."""
    parent = Parent()
    yield parent
    parent.process.communicate(timeout=30)


@pytest.mark.usefixtures("way")
def test_a_family_has_the_children(parent: Parent) -> None:
    assert family_of(parent.process.pid) == [parent.process.pid, parent.child]
    assert family_of(parent.child) == [parent.child]


@pytest.mark.usefixtures("way")
def test_a_family_stands_still_and_goes_on(parent: Parent, requires: Callable[[str], Path]) -> None:
    requires("ps")
    pid = parent.process.pid
    with standing_still(pid):
        assert os.WIFSTOPPED(os.waitpid(pid, os.WUNTRACED)[1])
        stopped = subprocess.run(
            ["ps", "-o", "stat=", "-p", str(parent.child)], capture_output=True, check=True
        )
        assert stopped.stdout.startswith(b"T")
    assert parent.write("1") == "taken"
    assert parent.write("") == "given back"


@pytest.mark.usefixtures("way")
def test_what_a_process_takes() -> None:
    (own,) = processes([os.getpid()])
    assert (own.pid, own.parent) == (os.getpid(), os.getppid())
    assert 5 * MIB < own.memory < 100 * 1024 * MIB
    assert own.memory == pytest.approx(memory_of([os.getpid()]), rel=0.5)
    before = seconds_of([os.getpid()])
    while seconds_of([os.getpid()]) <= before:
        sum(range(100_000))


@pytest.mark.usefixtures("way")
def test_a_process_that_has_ended_takes_nothing() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait(timeout=30)
    assert memory_of([ended.pid]) == 0


@pytest.mark.usefixtures("way")
def test_a_watch_sees_what_was_given_back_again(parent: Parent) -> None:
    with MemoryWatch(parent.process.pid) as memory:
        assert parent.write(str(200 * MIB)) == "taken"
        while memory.growth < 150 * MIB:  # until it has been sampled
            assert parent.process.poll() is None
        assert parent.write("") == "given back"
    assert 150 * MIB < memory.growth < 300 * MIB


@pytest.mark.parametrize(
    ("printed", "seconds"),
    [("0:01.50", 1.5), ("12:34", 754), ("01:00:00", 3600), ("2-00:00:01", 172801)],
)
def test_times_of_ps(printed: str, seconds: float) -> None:
    assert processes_module._seconds(printed) == seconds


def test_the_kernel_takes_something() -> None:
    assert largest_send_buffer() >= 64 * 1024

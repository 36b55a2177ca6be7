"""What serving on threads stands on: signals, the end of running requests, threads that grow."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future

import pytest
from tests.compat.threads.hosting import DEADLINE

from turnout import UsageError
from turnout_compat.threads_pool import DaemonThreads
from turnout_compat.threads_serving import RunningRequests, cut, termination

# Signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_wait(number: signal.Signals) -> None:
    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    with termination() as asked:
        sending = threading.Timer(0.05, lambda: os.kill(os.getpid(), number))
        sending.start()
        asked.wait()
        sending.join()
    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_signal_before_the_wait_is_not_lost() -> None:
    with termination() as asked:
        os.kill(os.getpid(), signal.SIGTERM)
        asked.wait()


def test_another_signal_does_not_end_it() -> None:
    heard = threading.Event()
    before = signal.signal(signal.SIGUSR1, lambda *_: heard.set())
    try:
        with termination() as asked:
            os.kill(os.getpid(), signal.SIGUSR1)
            sending = threading.Timer(0.05, lambda: os.kill(os.getpid(), signal.SIGTERM))
            sending.start()
            asked.wait()
            assert heard.is_set()
            sending.join()
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_second_signal_interrupts() -> None:
    with termination() as asked:
        os.kill(os.getpid(), signal.SIGTERM)
        asked.wait()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_only_the_main_thread_hears_signals() -> None:
    errors: list[BaseException] = []

    def serve() -> None:
        try:
            with termination():
                pass
        except UsageError as error:
            errors.append(error)

    thread = threading.Thread(target=serve)
    thread.start()
    thread.join(DEADLINE)
    assert "main thread" in str(errors[0])


# Requests


class Connection:
    """Knows whether it was ended."""

    def __init__(self) -> None:
        self.ended = threading.Event()


def test_a_request_that_does_not_come_in_time_ends_its_connection() -> None:
    requests = RunningRequests(0.02)
    slow, quick = Connection(), Connection()
    requests.waits(slow, slow.ended.set)
    requests.waits(quick, quick.ended.set)
    requests.answers(quick)
    assert slow.ended.wait(DEADLINE)
    assert not quick.ended.is_set()


def test_waiting_again_does_not_give_more_time() -> None:
    requests = RunningRequests(0.05)
    slow = Connection()
    requests.waits(slow, slow.ended.set)
    requests.waits(slow, lambda: None)
    assert slow.ended.wait(DEADLINE)


def test_the_end_cuts_who_waits_drains_and_gives_requests_their_time() -> None:
    requests = RunningRequests(None)
    idle, answered, stuck = Connection(), Connection(), Connection()
    for one in (idle, answered, stuck):
        requests.waits(one, one.ended.set)
    requests.answers(answered)
    requests.answers(stuck)
    seen: list[list[bool]] = []

    def drain() -> None:
        seen.append([one.ended.is_set() for one in (idle, answered, stuck)])
        requests.ends(answered)

    def end_when_cut() -> None:
        stuck.ended.wait(DEADLINE)
        requests.ends(stuck)

    ending = threading.Thread(target=end_when_cut)
    ending.start()
    requests.finish(drain, 0.05)
    ending.join(DEADLINE)
    assert seen == [[True, False, False]]
    assert stuck.ended.is_set()
    assert not answered.ended.is_set()


def test_a_connection_that_waits_for_another_request_at_the_end_is_ended() -> None:
    requests = RunningRequests(None)
    kept = Connection()
    requests.waits(kept, kept.ended.set)
    requests.answers(kept)
    requests.finish(lambda: requests.waits(kept, kept.ended.set), 1)
    assert kept.ended.is_set()


def test_cutting_ends_what_another_thread_reads() -> None:
    near, far = socket.socketpair()
    with near, far:
        read: list[bytes] = []
        reading = threading.Thread(target=lambda: read.append(near.recv(1)))
        reading.start()
        cut(near)
        reading.join(DEADLINE)
        assert read == [b""]
        cut(near)  # harmless when repeated


# Threads


@pytest.fixture
def threads() -> Iterator[DaemonThreads]:
    pool = DaemonThreads(3)
    yield pool
    pool.shutdown()


def test_threads_begin_when_they_are_needed_and_are_used_again(threads: DaemonThreads) -> None:
    first = threads.submit(threading.current_thread).result(DEADLINE)
    gate = threading.Barrier(4)

    def meet() -> threading.Thread:
        gate.wait(DEADLINE)
        return threading.current_thread()

    together = [threads.submit(meet) for _ in range(3)]
    gate.wait(DEADLINE)  # three run at once
    used = {one.result(DEADLINE) for one in together}
    assert len(used) == 3
    assert first in used


def test_what_is_over_the_limit_waits_for_a_thread(threads: DaemonThreads) -> None:
    release = threading.Event()
    busy = [threads.submit(release.wait, DEADLINE) for _ in range(3)]
    late: Future[str] = threads.submit(lambda: "late")
    assert not late.done()
    release.set()
    assert late.result(DEADLINE) == "late"
    assert all(one.result(DEADLINE) for one in busy)


def test_a_thread_is_never_promised_twice(threads: DaemonThreads) -> None:
    """Each task waits for the other, again and again: one that got no thread would stop all."""
    for _ in range(500):
        gate = threading.Barrier(2)
        pair = [threads.submit(gate.wait, DEADLINE) for _ in range(2)]
        assert sorted(one.result(DEADLINE) for one in pair) == [0, 1]


def test_an_error_is_its_askers(threads: DaemonThreads) -> None:
    failed = threads.submit(divmod, 1, 0)
    assert isinstance(failed.exception(DEADLINE), ZeroDivisionError)
    assert threads.submit(divmod, 7, 2).result(DEADLINE) == (3, 1)


def test_idle_threads_end_with_the_pool() -> None:
    pool = DaemonThreads(2)
    worker = pool.submit(threading.current_thread).result(DEADLINE)
    assert worker.daemon
    pool.shutdown()
    worker.join(DEADLINE)
    assert not worker.is_alive()


def test_a_thread_ends_that_has_nothing_to_do_and_another_begins() -> None:
    pool = DaemonThreads(1, idle=0.01)
    worker = pool.submit(threading.current_thread).result(DEADLINE)
    worker.join(DEADLINE)
    assert not worker.is_alive()
    assert pool.submit(threading.current_thread).result(DEADLINE) is not worker


def test_work_goes_to_those_who_were_busy_last() -> None:
    """So that the others, left behind by a crowd, have nothing to do and end."""
    pool = DaemonThreads(8)
    gate = threading.Barrier(8)
    crowd = [pool.submit(meet_at, gate) for _ in range(8)]
    workers = {one.result(DEADLINE) for one in crowd}
    used = {pool.submit(threading.current_thread).result(DEADLINE) for _ in range(100)}
    assert len(used) < len(workers) == 8
    pool.shutdown()


def meet_at(gate: threading.Barrier) -> threading.Thread:
    gate.wait(DEADLINE)
    return threading.current_thread()


def test_nothing_is_lost_between_threads_that_end_and_that_begin() -> None:
    """A thread that gives up waiting just as it is given something must still do it."""
    pool = DaemonThreads(3, idle=0.00001)
    for number in range(2000):
        asked = [pool.submit(int, number) for _ in range(number % 5)]
        assert [one.result(DEADLINE) for one in asked] == [number] * (number % 5)

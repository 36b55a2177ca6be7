"""The worker by itself: what its signal finds in the middle of something."""

from __future__ import annotations

import queue
import signal
import socket
from typing import Any

import pytest
from gunicorn.workers.gthread import ThreadWorker

from turnout_adapters.gunicorn.gthread_worker import ServingThreadWorker


@pytest.mark.parametrize("accepting", [True, False])
def test_the_end_closes_listeners_but_not_below_an_accept(
    accepting: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """gunicorn asks the listener for its name behind the accept, and dies if it has none."""
    found: list[int] = []

    def accept(self: Any, listener: socket.socket) -> None:
        worker.handle_exit(signal.SIGTERM, None)
        found.append(listener.fileno())

    monkeypatch.setattr(ThreadWorker, "accept", accept)
    monkeypatch.setattr(ThreadWorker, "handle_exit", lambda self, *_: setattr(self, "alive", False))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        worker: Any = ServingThreadWorker.__new__(ServingThreadWorker)
        worker.alive, worker.sockets, worker._asked = True, [listener], queue.SimpleQueue()
        if accepting:
            worker.accept(listener)
            assert found == [found[0]] != [-1]
        else:
            worker.handle_exit(signal.SIGTERM, None)
        assert listener.fileno() == -1
        assert worker._asked.get(timeout=1)

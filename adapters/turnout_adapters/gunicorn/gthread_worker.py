"""gunicorn's `gthread` worker as `serve` runs it: our limits, and an end without waiting."""

from __future__ import annotations

import queue
import threading
from concurrent.futures import Executor, Future
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

from gunicorn.workers.gthread import ThreadWorker

from turnout_adapters.gunicorn.server import ServingWorker
from turnout_compat.threads_io import IoRuntime
from turnout_compat.threads_serving import RunningRequests, cut

if TYPE_CHECKING:
    from collections.abc import Callable

    from turnout_adapters.gunicorn.gthread import GunicornGthreadApplication

__all__ = ["ServingThreadWorker"]

T = TypeVar("T")


class ServingThreadWorker(ServingWorker, ThreadWorker):
    """A worker that gives a request `handshake_timeout`, and drains when it is told to end."""

    wsgi: Any
    _requests: RunningRequests

    @property
    def turnout(self) -> GunicornGthreadApplication:
        """The application, by what it is."""
        return cast("GunicornGthreadApplication", self.wsgi)

    def get_thread_pool(self) -> Any:
        """Return threads that a handler which does not return cannot hold the process by."""
        return DaemonThreads(self.cfg.threads)

    def init_process(self) -> None:
        """Set up the process, and serve until the end."""
        self._asked: queue.SimpleQueue[bool] = queue.SimpleQueue()  # a signal handler may put
        super().init_process()

    def run(self) -> None:
        """Serve until the end."""
        options = self.turnout.service.registry.options
        self._requests = RunningRequests(options.handshake_timeout)
        ending = threading.Thread(target=self._finish, args=(options.close_timeout,), daemon=True)
        ending.start()
        super().run()
        self._asked.put(True)  # it may have ended by itself
        ending.join()
        IoRuntime.shared().stop()

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Begin to end, at once."""
        super().handle_exit(sig, frame)
        self._asked.put(True)

    def set_accept_enabled(self, enabled: bool) -> None:
        """Accept connections or not; at the end, have the kernel refuse them."""
        super().set_accept_enabled(enabled)
        if not self.alive:
            for listener in self.sockets:
                listener.close()

    def _finish(self, limit: float) -> None:
        self._asked.get()
        self._requests.finish(self.turnout.drain, limit)

    # One connection

    def handle(self, conn: Any) -> Any:
        """Serve a connection; its next request has `handshake_timeout` to arrive."""
        if not hasattr(conn, "end"):
            _end_by(conn, self._requests)
        self._requests.waits(conn, conn.end)
        result = super().handle(conn)
        if result:
            self._requests.waits(conn, conn.end)
        return result

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Answer one request."""
        self._requests.answers(conn)
        return super().handle_request(req, conn)


def _end_by(conn: Any, requests: RunningRequests) -> None:
    """Have a connection tell when gunicorn closes it, which it does in several places."""
    close = conn.close

    def tell_and_close(*arguments: Any, **keywords: Any) -> None:
        requests.ends(conn)
        close(*arguments, **keywords)

    conn.close = tell_and_close
    conn.end = lambda: cut(conn.sock)


class DaemonThreads(Executor):
    """A pool of at most so many threads, each begun when none is idle."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._changing = threading.Lock()
        self._threads = 0
        self._idle = 0

    def submit(self, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Have a thread call `function`."""
        future: Future[T] = Future()
        self._work.put(partial(_run, future, partial(function, *args, **kwargs)))
        with self._changing:
            if self._idle:
                self._idle -= 1  # a thread that waits, or is about to, takes it
            elif self._threads < self._limit:
                self._threads += 1
                name = f"turnout-thread-{self._threads}"
                threading.Thread(target=self._serve, name=name, daemon=True).start()
        return future

    def _serve(self) -> None:
        work = self._work.get()
        while work is not None:
            work()
            try:
                work = self._work.get_nowait()
            except queue.Empty:
                with self._changing:
                    self._idle += 1
                work = self._work.get()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let idle threads end; the others are not waited for."""
        with self._changing:
            for _ in range(self._threads):
                self._work.put(None)


def _run(future: Future[T], function: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(function())
    except BaseException as error:  # handed on to whoever asks for the result
        future.set_exception(error)

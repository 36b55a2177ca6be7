"""gunicorn's `gthread` worker as `serve` runs it: our limits, and an end without waiting."""

from __future__ import annotations

import queue
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from gunicorn.workers.gthread import ThreadWorker

from turnout_adapters.gunicorn.server import ServingWorker
from turnout_compat.threads_io import IoRuntime
from turnout_compat.threads_pool import DaemonThreads
from turnout_compat.threads_serving import RunningRequests, cut

if TYPE_CHECKING:
    from turnout_adapters.gunicorn.gthread import GunicornGthreadApplication

__all__ = ["ServingThreadWorker"]


class ServingThreadWorker(ServingWorker, ThreadWorker):
    """A worker that gives a request `handshake_timeout`, and drains when it is told to end."""

    wsgi: Any
    _requests: RunningRequests
    _is_accepting = False

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
        """Begin to end, at once: have the kernel refuse connections, and the sessions drained."""
        super().handle_exit(sig, frame)
        if not self._is_accepting:
            self._refuse()
        self._asked.put(True)

    def accept(self, *arguments: Any, **keywords: Any) -> None:
        """Accept a connection, unless the listener was closed meanwhile.

        The signal may come in the middle of it: the listener is closed behind it then.
        """
        if not self.alive:
            return
        self._is_accepting = True
        try:
            super().accept(*arguments, **keywords)
        finally:
            self._is_accepting = False
            if not self.alive:
                self._refuse()

    def _refuse(self) -> None:
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
    """Have a connection tell when gunicorn closes it, which it does in several places.

    Where its socket was closed before, as after a TLS handshake that was cut short, gunicorn's
    `close` raises, and the worker counts the connection twice: it ends before others have.
    """
    close = conn.close

    def tell_and_close(*arguments: Any, **keywords: Any) -> None:
        requests.ends(conn)
        with suppress(OSError):
            close(*arguments, **keywords)

    conn.close = tell_and_close
    conn.end = lambda: cut(conn.sock)

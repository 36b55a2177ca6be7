"""A pywsgi server in a thread with a hub of its own, and clients that look at it from outside."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from typing import Any

import gevent
import gevent.event
from gevent.pool import Pool
from gevent.pywsgi import WSGIServer

from turnout.testing.client import RawClient
from turnout_adapters.gevent import GeventApplication

TIMEOUT = 15.0


class RunningServer:
    """A server that was made, started and is stopped in a thread of its own.

    `make` returns the application of turnout, and what the server is to call if that is another.
    """

    def __init__(self, make: Callable[[], Any], **settings: Any) -> None:
        self.access_log, self.error_log = io.StringIO(), io.StringIO()
        self.clients: list[RawClient] = []
        logs = {"log": self.access_log, "error_log": self.error_log}
        self._settings = {**logs, "spawn": Pool(), **settings}
        self._make = make
        self._started = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self._started.wait(TIMEOUT), "the server did not start"
        if self._failure is not None:
            self._thread.join(TIMEOUT)
            raise self._failure

    def _run(self) -> None:
        try:
            self._start()
        except BaseException as error:  # raised again in the test's thread
            self._failure = error
            self._started.set()
            return
        self._started.set()
        self._stop.wait()
        self._asked.close()
        self.server.stop(timeout=0.5)  # then idle connections are killed
        self.turnout.runtime.close()
        gevent.sleep(0)  # what is cut is noticed one turn later
        # The hub is not destroyed: what pytest keeps of the log, tracebacks and requests, still
        # refers to sockets that leave their loop when they go.

    def _start(self) -> None:
        self.hub = gevent.get_hub()
        self._stop = gevent.event.Event()
        self._asked = self.hub.loop.async_()  # also keeps the hub from finding nothing to wait for
        self._asked.start(self._stop.set)
        made = self._make()
        self.turnout: GeventApplication
        self.turnout, outermost = made if isinstance(made, tuple) else (made, made)
        if self._settings.get("handler_class") == "turnout's":
            self._settings["handler_class"] = self.turnout.handler_class
        self.server = WSGIServer(("127.0.0.1", 0), outermost, **self._settings)
        self.server.start()
        port = self.server.server_port
        assert port is not None
        self.address = ("127.0.0.1", port)

    def connect(self, target: str | None = None, **fields: Any) -> RawClient:
        """Return a client, its WebSocket open when a target is given."""
        client = RawClient(self.address, timeout=TIMEOUT)
        self.clients.append(client)
        if target is not None:
            client.open(target, **fields)
        return client

    @property
    def pooled(self) -> int:
        """How many connections the server's pool counts."""
        assert self.server.pool is not None
        return len(self.server.pool)

    def inside(self, function: Callable[[], Any]) -> Any:
        """Call a function, which may block, in a greenlet of the server's hub."""

        async def call() -> Any:
            return function()

        return self.turnout.runtime.call_blocking(call())

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Return when a condition holds inside the server's hub."""

        def wait() -> None:
            with gevent.Timeout(TIMEOUT, TimeoutError("the condition does not come to hold")):
                while not condition():
                    gevent.sleep(0.001)

        self.inside(wait)

    def close(self) -> None:
        """Leave nothing behind."""
        for client in self.clients:
            client.stream.close()
        if self._thread.is_alive():
            self._asked.send()
            self._thread.join(TIMEOUT)
            assert not self._thread.is_alive(), "the server did not stop"

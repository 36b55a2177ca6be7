"""A gunicorn of turnout's own: listening, readiness and an orderly end, with any of its workers.

The calling process becomes gunicorn's arbiter; the application is made in the worker, which is
forked from it.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.config import Config
from gunicorn.sock import TCP6Socket, TCPSocket, UnixSocket, ssl_context
from gunicorn.workers.base import Worker

from turnout.errors import ConfigurationError, UsageError
from turnout_adapters.gunicorn.logger import ProgramLogger
from turnout_adapters.gunicorn.readiness import Readiness
from turnout_compat.listening import address_of_socket, listening

if TYPE_CHECKING:
    from gunicorn.sock import BaseSocket

    from turnout.serving import ServerSettings

__all__ = ["ServedApplication", "ServingWorker", "serve"]

MakeApplication = Callable[[], Any]

LISTENERS: dict[int, type[BaseSocket]] = {
    socket.AF_INET: TCPSocket,
    socket.AF_INET6: TCP6Socket,
    socket.AF_UNIX: UnixSocket,
}


def serve(
    make: MakeApplication,
    settings: ServerSettings,
    worker_class: type[ServingWorker],
    native: dict[str, Any],
) -> None:
    """Serve what `make` returns until SIGINT or SIGTERM; return when every worker has ended.

    `native` are gunicorn's settings. A worker leaves this function by `SystemExit`, as gunicorn's
    do; so does the arbiter when a worker cannot be started. Raises `OSError` when the address
    cannot be had, `ConfigurationError` for bad TLS files, and `UsageError` outside the main thread,
    which no signal reaches.
    """
    if threading.current_thread() is not threading.main_thread():
        raise UsageError("gunicorn is ended by signals, which reach the main thread only")
    application = ServedApplication(make, _config_of(settings, worker_class, native))
    _check_tls(application.cfg)
    with listening(settings) as sockets, _signals_restored():
        _run(ServingArbiter(application, sockets, settings))


def _run(arbiter: ServingArbiter) -> None:
    try:
        arbiter.run()
    except SystemExit as ended:
        if ended.code or os.getpid() != arbiter.pid:  # a worker
            raise


def _config_of(
    settings: ServerSettings, worker_class: type[ServingWorker], native: dict[str, Any]
) -> dict[str, Any]:
    known = Config().settings
    defaults: dict[str, Any] = {
        "workers": 1,  # whatever WEB_CONCURRENCY says: sessions are found in their own process only
        "worker_connections": 1_000_000,  # max_connections decides, with an answer
        "control_socket_disable": True,  # it would lie in the home directory
        "logger_class": ProgramLogger,
    }
    if native.get("statsd_host") is not None:
        del defaults["logger_class"]  # gunicorn has another one for it
    return {
        **{name: value for name, value in defaults.items() if name in known},
        **native,
        "backlog": settings.backlog,
        "certfile": None if settings.tls_cert is None else str(settings.tls_cert),
        "keyfile": None if settings.tls_key is None else str(settings.tls_key),
        "worker_class": worker_class,
    }


def _check_tls(config: Config) -> None:
    """Load the files before any worker does, which would be started again and again."""
    if not config.is_ssl:
        return
    try:
        ssl_context(config)
    except OSError as error:
        files = " and ".join(filter(None, (config.certfile, config.keyfile)))
        raise ConfigurationError(f"cannot use {files} for TLS: {error}") from error


@contextmanager
def _signals_restored() -> Iterator[None]:
    numbers = [*Arbiter.SIGNALS, signal.SIGCHLD]
    previous = {number: signal.getsignal(number) for number in numbers}
    owner = os.getpid()
    try:
        yield
    finally:
        if os.getpid() == owner:
            for number, handler in previous.items():
                signal.signal(number, handler or signal.SIG_DFL)


class ServedApplication(BaseApplication):
    """What gunicorn's arbiter and workers ask for their settings and their application."""

    def __init__(self, make: MakeApplication, config: dict[str, Any]) -> None:
        self._make = make
        self._config = config
        self.readiness: Readiness | None = None
        super().__init__()

    def do_load_config(self) -> None:
        """Load the settings; raise what gunicorn would print before it ends the process."""
        self.load_default_config()
        self.load_config()

    def load_config(self) -> None:
        """Set what `serve` was given."""
        for name, value in self._config.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """Make the application; called in the worker."""
        return self._make()


class ServingArbiter(Arbiter):
    """An arbiter that is given its sockets, announces them, and ends in order on SIGINT too."""

    def __init__(
        self,
        application: ServedApplication,
        sockets: list[socket.socket],
        settings: ServerSettings,
    ) -> None:
        self._application = application
        self._settings = settings
        self._address = address_of_socket(sockets[0])
        self._announced = False
        self.pid = os.getpid()
        super().__init__(application)
        # At gunicorn they belong to the class: here every call of `serve` begins anew.
        cast("Any", self).WORKERS = {}
        cast("Any", self).LISTENERS = [self._listener(one) for one in sockets]

    def _listener(self, sock: socket.socket) -> BaseSocket:
        kind = LISTENERS[sock.family]
        return kind(sock.getsockname(), self.cfg, cast("Any", self.log), fd=sock.detach())

    def spawn_workers(self) -> None:
        """Start workers; the first time, wait until one is ready and announce the address."""
        if self._announced:
            super().spawn_workers()
            return
        with Readiness() as self._application.readiness:
            super().spawn_workers()
            self._announced = self._application.readiness.wait()
        self._application.readiness = None
        if self._announced:
            self._settings.announce(self._address)

    def handle_int(self) -> None:
        """End in order, as for SIGTERM; a second SIGINT meanwhile ends at once."""
        self.handle_term()

    def handle_usr2(self) -> None:
        """Refuse to execute the program again: it would find the address in use."""
        cast("Any", self.log).warning("SIGUSR2 is for gunicorn's own command line; ignored")

    def stop(self, graceful: bool = True) -> None:
        """Stop accepting, and have the workers end."""
        for listener in self.LISTENERS:
            listener.close()
        cast("Any", self).LISTENERS = []  # the path of a Unix socket is removed by `listening`
        super().stop(graceful)


class ServingWorker(Worker):
    """Mixed in front of one of gunicorn's workers: tells when it is ready, and ends by SIGINT too.

    Ctrl-C on a terminal reaches the workers as well as the arbiter.
    """

    def init_signals(self) -> None:
        """Set up the signals."""
        super().init_signals()
        signal.signal(signal.SIGINT, self.handle_exit)

    def run(self) -> None:
        """Serve until the end."""
        self.tell_ready()
        super().run()

    def tell_ready(self) -> None:
        """Tell the arbiter that this worker accepts connections."""
        readiness = cast("ServedApplication", self.app).readiness
        if readiness is not None:  # else another worker has been the first
            readiness.tell()

"""What serving on asyncio has in common, whatever the server: signals and an orderly end."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from turnout.errors import UsageError
from turnout_compat.asyncio_transport import tls_context

if TYPE_CHECKING:
    from turnout.serving import ServerSettings

__all__ = ["listen", "termination"]

SIGNALS = (signal.SIGINT, signal.SIGTERM)
OF_TLS = ("ssl_handshake_timeout", "ssl_shutdown_timeout")
NOBODY = -1  # whom signals wake, to `signal.set_wakeup_fd`
OF_TCP = ("reuse_address", "reuse_port")


async def listen(
    make: Callable[[], Any],
    settings: ServerSettings,
    handshake_timeout: float | None,
    native: dict[str, Any],
) -> asyncio.Server:
    """Bind and begin to accept: TCP or a Unix socket, with TLS where the settings have it.

    `make` returns the protocol of a connection; `native` may have some of what asyncio takes, by
    its names. A peer that does not begin TLS is cut after `handshake_timeout`: asyncio by itself
    waits a minute, which None leaves.
    """
    tls = tls_context(settings)
    options: dict[str, Any] = {"backlog": settings.backlog, "ssl": tls}
    if tls is not None:
        options["ssl_handshake_timeout"] = handshake_timeout
        options.update({name: native[name] for name in OF_TLS if name in native})
    loop = asyncio.get_running_loop()
    if settings.unix is not None:
        return await loop.create_unix_server(make, settings.unix, **options)
    options.update({name: native[name] for name in OF_TCP if name in native})
    return await loop.create_server(make, settings.host, settings.port, **options)


class termination:  # noqa: N801  # reads as a verb in `async with`
    """Within `async with termination() as asked`, SIGINT and SIGTERM only set the event `asked`.

    A second signal while the server drains raises `KeyboardInterrupt`. Raises `UsageError` outside
    the main thread, which no signal reaches.

    `loop.add_signal_handler` is no use here: the signal would travel through the loop's self-pipe,
    and is lost while that pipe is full because a thousand handlers' threads wake the loop at once.
    """

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        self._previous: dict[signal.Signals, Any] = {}
        self._woken = ExitStack()

    async def __aenter__(self) -> asyncio.Event:
        loop = asyncio.get_running_loop()

        def received(number: int, frame: object) -> None:
            loop.call_soon_threadsafe(self._ask)

        if threading.current_thread() is not threading.main_thread():
            raise UsageError(
                "signals end this, and they reach the main thread only: serve there, or mount in a"
                " server that you end yourself"
            )
        self._woken.enter_context(_woken_by_signals(loop))
        self._previous = {number: signal.signal(number, received) for number in SIGNALS}
        return self._asked

    async def __aexit__(self, *exc_info: object) -> None:
        self._woken.close()
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _ask(self) -> None:
        if self._asked.is_set():
            raise KeyboardInterrupt
        self._asked.set()


@contextmanager
def _woken_by_signals(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Wake the loop when a signal comes, so that Python's handler of it runs.

    Without it a loop that has nothing else to do sleeps on, when the signal comes just before it
    goes to sleep or reaches another thread of the process.
    """
    told, telling = socket.socketpair()
    with told, telling:
        told.setblocking(False)
        telling.setblocking(False)
        outer = signal.set_wakeup_fd(telling.fileno(), warn_on_full_buffer=False)
        if outer != NOBODY:
            signal.set_wakeup_fd(outer)  # the loop's own: what reads it must go on getting it
        loop.add_reader(told, told.recv, 4096)
        try:
            yield
        finally:
            loop.remove_reader(told)
            if outer == NOBODY:
                signal.set_wakeup_fd(NOBODY)

"""The watch for clients that have gone, in gevent's hub."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from gevent.monkey import get_original

from turnout_compat.hangup import HangupWatch

if TYPE_CHECKING:
    import gevent.hub

__all__ = ["GeventHangupWatch"]

READ = 1  # libev's event mask


def _original_epoll() -> Any:
    """Return `select.epoll`, if there is one.

    Monkey patching removes it, as waiting on one would block every greenlet; here the hub does.
    """
    with contextlib.suppress(AttributeError):
        return get_original("select", "epoll")
    return None


class GeventHangupWatch(HangupWatch):
    """Calls `on_hangup` once, in the hub."""

    make_epoll: ClassVar[Any] = _original_epoll()
    make_socket: ClassVar[Any] = get_original("socket", "socket")

    def __init__(self, sock: Any, hub: gevent.hub.Hub, on_hangup: Callable[[], object]) -> None:
        self._hub = hub
        self._watcher: Any = None
        super().__init__(sock, on_hangup)

    def _watch(self, descriptor: int) -> None:
        self._watcher = self._hub.loop.io(descriptor, READ)
        self._watcher.start(self._look)

    def _unwatch(self) -> None:
        if self._watcher is not None:
            self._watcher.stop()
            self._watcher.close()
            self._watcher = None

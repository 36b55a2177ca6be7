"""Bound sockets for servers that would end the process, or leave files, where they cannot bind."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from turnout.http import Address
    from turnout.serving import ServerSettings

__all__ = ["address_of_socket", "listening"]


@contextlib.contextmanager
def listening(settings: ServerSettings) -> Iterator[list[socket.socket]]:
    """Listen within a `with` block: on every address of the host, or on the Unix socket.

    The sockets do not block. They are closed at the end, and the file of a Unix socket is removed,
    but not by a process that was forked meanwhile. Raises `OSError` when an address cannot be had.
    """
    with contextlib.ExitStack() as bound:
        sockets = list(_bind(settings, bound))
        if settings.unix is not None:
            bound.callback(_remove, settings.unix, os.getpid())
        for one in sockets:
            one.setblocking(False)
        yield sockets


def address_of_socket(listener: socket.socket) -> Address:
    """Return where a socket listens."""
    name = listener.getsockname()
    return cast("Address", name if isinstance(name, str) else (name[0], name[1]))


def _bind(settings: ServerSettings, bound: contextlib.ExitStack) -> Iterator[socket.socket]:
    if settings.unix is not None:
        _remove_stale(settings.unix)
        one = bound.enter_context(socket.socket(socket.AF_UNIX))
        one.bind(str(settings.unix))
        one.listen(settings.backlog)
        yield one
        return
    port = settings.port
    for family, host in _resolve(settings.host):
        made = socket.create_server((host, port), family=family, backlog=settings.backlog)
        port = made.getsockname()[1]  # 0 picks a free one, and the others take the same
        yield bound.enter_context(made)


def _remove_stale(path: Path) -> None:
    """Remove the socket of a server that ended in disorder; raise if one still listens there."""
    if not path.is_socket():
        return  # bind will say that the address is in use
    with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(ConnectionRefusedError):
        probe.connect(str(path))
        raise OSError(errno.EADDRINUSE, f"a server listens on {path}")
    path.unlink(missing_ok=True)


def _remove(path: Path, owner: int) -> None:
    if os.getpid() == owner:
        path.unlink(missing_ok=True)


def _resolve(host: str) -> list[tuple[socket.AddressFamily, str]]:
    found = socket.getaddrinfo(host or None, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys((family, str(place[0])) for family, _, _, _, place in found))

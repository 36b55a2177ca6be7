"""The sockets behind the descriptors of this process, whoever has opened them.

They are had by copies, never by the numbers that another owner will close itself.
"""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from turnout.http import Address

__all__ = ["FoundSocket", "connections_at", "descriptors", "find", "inode_of", "is_at"]

ANY = ("0.0.0.0", "::")  # noqa: S104  # read, not bound


@dataclass(frozen=True, slots=True)
class FoundSocket:
    """A socket of this process, which its inode names for good; `local` is None of a listener."""

    inode: int
    local: Address | None
    remote: Address | None

    known: ClassVar[dict[int, FoundSocket]] = {}
    """What was found last behind each descriptor, so that a look at thousands of them is quick."""

    def copy(self, descriptor: int) -> socket.socket | None:
        """Return a copy of the socket; None when the descriptor is not its any more."""
        copy = _copy(descriptor)
        if copy is not None and inode_of(copy.fileno()) != self.inode:
            copy.close()
            return None
        return copy


def connections_at(local: Address) -> Iterator[tuple[int, FoundSocket]]:
    """Yield the connections at a local address with the descriptors that they have."""
    for descriptor in descriptors():
        found = find(descriptor)
        if found is not None and is_at(found.local, local):
            yield descriptor, found


def find(descriptor: int) -> FoundSocket | None:
    """Return the socket of a descriptor, if there is one."""
    inode = inode_of(descriptor)
    if inode is None:
        return None
    found = FoundSocket.known.get(descriptor)
    if found is None or found.inode != inode:
        found = FoundSocket.known[descriptor] = _look_at(descriptor, inode)
    return found


def _look_at(descriptor: int, inode: int) -> FoundSocket:
    copy = _copy(descriptor)
    if copy is None:
        return FoundSocket(inode, None, None)
    with copy:
        is_accepted = not copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        inode = os.fstat(copy.fileno()).st_ino
        local = _name(copy.getsockname()) if is_accepted else None
        try:
            return FoundSocket(inode, local, _name(copy.getpeername()))
        except OSError:  # the peer has gone, or there is none
            return FoundSocket(inode, local, None)


def _copy(descriptor: int) -> socket.socket | None:
    """Return a copy of a socket; None for what is none, of which nothing stays open either."""
    try:
        copy = os.dup(descriptor)
    except OSError:  # closed since it was listed
        return None
    try:
        return socket.socket(fileno=copy)
    except OSError:
        os.close(copy)
        return None


def descriptors() -> Iterator[int]:
    """Yield the descriptors that are open; one may be closed since it was listed."""
    return map(int, os.listdir("/dev/fd"))  # noqa: PTH208  # names alone, and quickly


def inode_of(descriptor: int) -> int | None:
    """Return the inode of a socket; None for what is closed, or something else."""
    try:
        found = os.fstat(descriptor)
    except OSError:
        return None
    return found.st_ino if stat.S_ISSOCK(found.st_mode) else None


def is_at(name: Address | None, local: Address) -> bool:
    """Tell whether a socket is one of the server at `local`, which may be every address."""
    if isinstance(name, tuple) and isinstance(local, tuple) and local[0] in ANY:
        return name[1] == local[1]
    return name == local


def _name(name: Any) -> Address:
    return (name[0], name[1]) if isinstance(name, tuple) else name

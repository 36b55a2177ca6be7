"""The sockets that granian keeps to itself, found by what the kernel says of them.

granian stops accepting only when it drops all connections, cannot cut one, and aborts the process
when it is still busy with one at the interpreter's end. Its descriptors are this process's own, so
the sockets behind them can be had: by copies, never by the numbers that granian will close itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from turnout.http import Address

__all__ = [
    "HeldConnection",
    "cut",
    "cut_all",
    "hold",
    "stop_listening",
    "until_accepting",
    "until_peer_ends",
    "until_released",
]

FIRST_STEP = 0.0002
STEP = 0.01
"""Seconds between two looks at what nothing tells."""
GRACE = 0.1
"""Seconds for what granian does behind the end of a connection."""
CHUNK = 64 * 1024
LONGEST_CLOSE = 2 + 4 + 125
ANY = ("0.0.0.0", "::")  # noqa: S104  # read, not bound


async def until_accepting(local: Address) -> None:
    """Return when granian accepts connections at a local address: it does so with one of ours."""
    loop = asyncio.get_running_loop()
    with socket.socket(_family_of(local)) as client:
        client.setblocking(False)
        await loop.sock_connect(client, local)
        await _until_used(local, is_used=True)


def stop_listening(sockets: list[socket.socket]) -> None:
    """Close listening sockets wherever this process has them open.

    What granian has then is one that listens too, where nobody can connect: it calls accept again
    and again without end, deaf to all else, where that fails.
    """
    inodes = {os.fstat(one.fileno()).st_ino for one in sockets}
    for one in sockets:
        one.close()
    with _unreachable_listener() as silent:
        for descriptor in _descriptors():
            if _inode_of(descriptor) in inodes:
                os.dup2(silent.fileno(), descriptor)


@dataclass(frozen=True, slots=True)
class HeldConnection:
    """A connection of granian's that does not end when granian lets go of it."""

    socket: socket.socket
    descriptor: int
    """By which granian has it."""
    copy: int
    """The descriptor of the copy."""

    def forget(self) -> None:
        """Note that somebody else closes the copy."""
        _ours.discard(self.copy)

    def close(self) -> None:
        """Close the copy."""
        self.forget()
        self.socket.close()

    async def until_released(self) -> None:
        """Return when granian has let go of it, behind all that it had to write."""
        inode = _inode_of(self.socket.fileno())
        step = FIRST_STEP
        while _inode_of(self.descriptor) == inode:  # nothing tells
            await asyncio.sleep(step)
            step = min(2 * step, STEP)


def hold(local: Address | None, remote: Address | None) -> HeldConnection | None:
    """Return the connection with one peer; None when granian has it no more, or it was reset.

    None also for peers on a Unix socket, which cannot be told apart.
    """
    if not isinstance(local, tuple) or not isinstance(remote, tuple):
        return None
    held = _hold_noted(local, remote)
    if held is None:
        _note(_others())
        held = _hold_noted(local, remote)
    if held is None:  # its number was one of ours before; or the peer has come again
        held = next(filter(None, (_hold(*one, remote) for one in _connections(local))), None)
    return held


def _hold_noted(local: Address, remote: Address) -> HeldConnection | None:
    found = _noted.pop(remote, None)
    if found is None or not _is_at(found[1].local, local):
        return None
    return _hold(*found, remote)


def _hold(descriptor: int, found: _Found, remote: Address) -> HeldConnection | None:
    if found.remote != remote or (copy := found.copy(descriptor)) is None:
        return None
    if not _is_connected(copy):
        copy.close()
        return None
    _ours.add(copy.fileno())
    return HeldConnection(copy, descriptor, copy.fileno())


_ours: set[int] = set()
"""The descriptors of copies, among which no connection of granian's has to be looked for."""
_noted: dict[Address, tuple[int, _Found]] = {}
"""By their peers, the connections of granian's that were found last: many come at once."""


def _note(descriptors: Iterable[int]) -> None:
    _noted.clear()
    for descriptor in descriptors:
        found = _find(descriptor)
        if found is not None and found.local is not None and found.remote is not None:
            _noted[found.remote] = descriptor, found


def _others() -> Iterator[int]:
    return (descriptor for descriptor in _descriptors() if descriptor not in _ours)


def cut(connection: socket.socket) -> None:
    """End a connection and let go of it."""
    with connection, contextlib.suppress(OSError):  # the peer may be gone already
        connection.shutdown(socket.SHUT_RDWR)


def cut_all(local: Address) -> None:
    """End the connections of this process at a local address."""
    for descriptor, found in _connections(local):
        copy = found.copy(descriptor)
        if copy is not None:
            cut(copy)


async def until_peer_ends(connection: socket.socket) -> None:
    """End our direction, and read away what the peer still sends, up to its close frame or its end.

    granian lets go of a connection behind its own close frame. Where the peer has sent anything
    meanwhile, the kernel would answer with a reset, which may cost the peer that close frame.
    """
    loop = asyncio.get_running_loop()
    tail = b""
    with contextlib.suppress(OSError):  # a reset by the peer is an end too
        connection.shutdown(socket.SHUT_WR)
        while not _ends_with_close(tail) and (data := await loop.sock_recv(connection, CHUNK)):
            tail = (tail + data)[-LONGEST_CLOSE:]


async def until_released(local: Address, timeout: float) -> None:
    """Return when granian has let go of every connection at a local address, or time is up.

    Its threads then drop what they have of Python's, which must not meet the interpreter's end.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout):
            await _until_used(local, is_used=False)
    await asyncio.sleep(GRACE)


async def _until_used(local: Address, *, is_used: bool) -> None:
    while any(True for _ in _connections(local)) != is_used:  # noqa: ASYNC110  # nothing tells
        await asyncio.sleep(STEP)


def _unreachable_listener() -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    with tempfile.TemporaryDirectory() as folder:
        listener.bind(f"{folder}/s")
        listener.listen()
    listener.setblocking(False)
    return listener


def _ends_with_close(data: bytes) -> bool:
    """Tell whether a masked close frame is the last of this; nothing may come behind one."""
    return any(
        data[-6 - size : -4 - size] == bytes([0x88, 0x80 | size])
        for size in range(min(len(data) - 5, 126))
    )


@dataclass(frozen=True, slots=True)
class _Found:
    """A socket of this process, which its inode names for good; `local` is None of a listener."""

    inode: int
    local: Address | None
    remote: Address | None

    known: ClassVar[dict[int, _Found]] = {}
    """What was found last behind each descriptor, so that a look at thousands of them is quick."""

    def copy(self, descriptor: int) -> socket.socket | None:
        """Return a copy of the socket; None when the descriptor is not its any more."""
        copy = _copy(descriptor)
        if copy is not None and _inode_of(copy.fileno()) != self.inode:
            copy.close()
            return None
        return copy


def _connections(local: Address) -> Iterator[tuple[int, _Found]]:
    """Yield the connections at a local address with the descriptors that they have."""
    for descriptor in _descriptors():
        found = _find(descriptor)
        if found is not None and _is_at(found.local, local):
            yield descriptor, found


def _find(descriptor: int) -> _Found | None:
    """Return the socket of a descriptor, if there is one."""
    inode = _inode_of(descriptor)
    if inode is None:
        return None
    found = _Found.known.get(descriptor)
    if found is None or found.inode != inode:
        found = _Found.known[descriptor] = _look_at(descriptor, inode)
    return found


def _look_at(descriptor: int, inode: int) -> _Found:
    copy = _copy(descriptor)
    if copy is None:
        return _Found(inode, None, None)
    with copy:
        is_accepted = not copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        inode = os.fstat(copy.fileno()).st_ino
        local = _name(copy.getsockname()) if is_accepted else None
        try:
            return _Found(inode, local, _name(copy.getpeername()))
        except OSError:  # the peer has gone, or there is none
            return _Found(inode, local, None)


def _is_connected(connection: socket.socket) -> bool:
    try:
        connection.getpeername()
    except OSError:
        return False
    return True


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


def _descriptors() -> Iterator[int]:
    return map(int, os.listdir("/dev/fd"))  # noqa: PTH208  # names alone, and quickly


def _inode_of(descriptor: int) -> int | None:
    """Return the inode of a socket; None for what is closed, or something else."""
    try:
        found = os.fstat(descriptor)
    except OSError:
        return None
    return found.st_ino if stat.S_ISSOCK(found.st_mode) else None


def _is_at(name: Address | None, local: Address) -> bool:
    """Tell whether a socket is one of the server at `local`, which may be every address."""
    if isinstance(name, tuple) and isinstance(local, tuple) and local[0] in ANY:
        return name[1] == local[1]
    return name == local


def _family_of(local: Address) -> socket.AddressFamily:
    if isinstance(local, str):
        return socket.AF_UNIX
    return socket.AF_INET6 if ":" in local[0] else socket.AF_INET


def _name(name: Any) -> Address:
    return (name[0], name[1]) if isinstance(name, tuple) else name

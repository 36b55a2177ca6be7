"""The sockets that granian keeps to itself, found by what the kernel says of them.

granian stops accepting only when it drops all connections, cannot cut one, and aborts the process
when it is still busy with one at the interpreter's end. Its descriptors are this process's own, so
the sockets behind them can be had: by copies, never by the numbers that granian will close itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import socket
import tempfile
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from turnout_compat.open_sockets import (
    FoundSocket,
    connections_at,
    descriptors,
    find,
    inode_of,
    is_at,
)

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
        for descriptor in descriptors():
            if inode_of(descriptor) in inodes:
                os.dup2(silent.fileno(), descriptor)


@dataclass(frozen=True, slots=True)
class HeldConnection:
    """A connection of granian's that does not end when granian lets go of it."""

    socket: socket.socket
    descriptor: int
    """By which granian has it."""

    async def until_released(self) -> None:
        """Return when granian has let go of it, behind all that it had to write."""
        inode = inode_of(self.socket.fileno())
        step = FIRST_STEP
        while inode_of(self.descriptor) == inode:  # nothing tells
            await asyncio.sleep(step)
            step = min(2 * step, STEP)


def hold(local: Address | None, remote: Address | None, since: float) -> HeldConnection | None:
    """Return the connection with one peer; None when granian has it no more, or it was reset.

    It was there at `since`, by `time.monotonic`: one look after that finds all that there are, so
    many that come at once, or go, cost one. None also for peers on a Unix socket, which cannot be
    told apart.
    """
    if not isinstance(local, tuple) or not isinstance(remote, tuple):
        return None
    if _Noted.at <= since:
        _note_all()
    noted = _Noted.by_remote.get(remote)
    if noted is None or not is_at(noted[1].local, local):
        return None
    return _hold(*noted)


class _Noted:
    """The sockets that were found at the last look, by their peers."""

    at: ClassVar[float] = -math.inf
    by_remote: ClassVar[dict[Address, tuple[int, FoundSocket]]] = {}


def _note_all() -> None:
    _Noted.at = time.monotonic()
    noted: dict[Address, tuple[int, FoundSocket]] = {}
    for descriptor in descriptors():
        found = find(descriptor)
        if found is None or found.local is None or found.remote is None:
            continue
        before = noted.get(found.remote)
        if before is None or not _is_connected(*before):  # else its peer has come again
            noted[found.remote] = descriptor, found
    _Noted.by_remote = noted


def _hold(descriptor: int, found: FoundSocket) -> HeldConnection | None:
    copy = found.copy(descriptor)
    if copy is None:
        return None
    try:
        copy.getpeername()
    except OSError:  # reset
        copy.close()
        return None
    return HeldConnection(copy, descriptor)


def _is_connected(descriptor: int, found: FoundSocket) -> bool:
    held = _hold(descriptor, found)
    if held is not None:
        held.socket.close()
    return held is not None


def cut(connection: socket.socket) -> None:
    """End a connection and let go of it."""
    with connection, contextlib.suppress(OSError):  # the peer may be gone already
        connection.shutdown(socket.SHUT_RDWR)


def cut_all(local: Address) -> None:
    """End the connections of this process at a local address."""
    for descriptor, found in connections_at(local):
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
    while any(True for _ in connections_at(local)) != is_used:  # noqa: ASYNC110  # nothing tells
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


def _family_of(local: Address) -> socket.AddressFamily:
    if isinstance(local, str):
        return socket.AF_UNIX
    return socket.AF_INET6 if ":" in local[0] else socket.AF_INET

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
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from turnout.http import Address

__all__ = ["cut", "stop_listening", "until_released"]


def stop_listening(sockets: list[socket.socket]) -> None:
    """Close listening sockets wherever this process has them open."""
    inodes = {os.fstat(one.fileno()).st_ino for one in sockets}
    for one in sockets:
        one.close()
    with socket.socket() as idle:
        for descriptor in _descriptors():
            with contextlib.suppress(OSError):  # closed since it was listed
                if os.fstat(descriptor).st_ino in inodes:
                    os.dup2(idle.fileno(), descriptor)


def cut(local: Address, remote: Address | None = None) -> None:
    """End the connections of this process at a local address: all, or those with one peer."""
    for connection in _connections(local):
        with connection, contextlib.suppress(OSError):  # the peer may be gone already
            if remote is None or _name(connection.getpeername()) == remote:
                connection.shutdown(socket.SHUT_RDWR)


async def until_released(local: Address, timeout: float) -> None:
    """Return when granian has let go of every connection at a local address, or time is up.

    Its threads then drop what they have of Python's, which must not meet the interpreter's end.
    Nothing tells when they have, so this looks.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout):
            while _is_used(local):  # noqa: ASYNC110  # as said above
                await asyncio.sleep(STEP)
    await asyncio.sleep(GRACE)


STEP = 0.01
"""Seconds between two looks."""
GRACE = 0.1
"""Seconds for what granian does behind the end of a connection."""


def _is_used(local: Address) -> bool:
    found = list(_connections(local))
    for one in found:
        one.close()
    return bool(found)


def _connections(local: Address) -> Iterator[socket.socket]:
    for descriptor in _descriptors():
        with contextlib.suppress(OSError):  # closed since it was listed, or no socket
            one = socket.socket(fileno=os.dup(descriptor))
            if one.family in _FAMILIES and _name(one.getsockname()) == local:
                yield one
            else:
                one.close()


_FAMILIES = (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)


def _descriptors() -> list[int]:
    return [int(one.name) for one in Path("/dev/fd").iterdir()]


def _name(name: Any) -> Address:
    return (name[0], name[1]) if isinstance(name, tuple) else name

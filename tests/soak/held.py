"""What a process holds: counted inside the server, compared outside."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import sys
from pathlib import Path
from typing import Any

__all__ = ["held", "held_after_collection"]

PAGE = os.sysconf("SC_PAGE_SIZE")


def held() -> dict[str, int]:
    """Return what is cheap to count."""
    return {
        "process": os.getpid(),
        "memory": int(Path("/proc/self/statm").read_text().split()[1]) * PAGE,
        "descriptors": _entries("/proc/self/fd"),
        "threads": _entries("/proc/self/task"),
        "tasks": _tasks(),
    }


def held_after_collection() -> dict[str, int]:
    """Return all of it, without garbage and without what the C library keeps for later.

    `blocks` are those of Python's allocator, `heap` the bytes that C has in use: both show what is
    leaked, however fragmented the resident `memory` is.
    """
    gc.collect()
    _glibc.malloc_trim(0)
    return {
        **held(),
        "blocks": sys.getallocatedblocks(),
        "heap": _heap(),
        "greenlets": _greenlets(),
    }


MALLINFO2 = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"


class _Mallinfo2(ctypes.Structure):
    """What glibc tells of its heaps; see mallinfo2(3)."""

    _fields_ = tuple((name, ctypes.c_size_t) for name in MALLINFO2.split())


_glibc = ctypes.CDLL(None)


def _heap() -> int:
    _glibc.mallinfo2.restype = _Mallinfo2
    info = _glibc.mallinfo2()
    return int(info.uordblks + info.hblkhd)


def _entries(folder: str) -> int:
    return sum(1 for _ in Path(folder).iterdir())


def _tasks() -> int:
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:  # no event loop runs in this thread
        return 0


def _greenlets() -> int:
    module: Any = sys.modules.get("greenlet")
    if module is None:
        return 0
    every = (one for one in gc.get_objects() if isinstance(one, module.greenlet))
    return sum(not one.dead for one in every)

"""Masking of payloads (RFC 6455 section 5.3): by a C function where one is installed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any, Final, TypeAlias

__all__ = ["Mask", "find_mask", "mask_in_python"]

Mask: TypeAlias = Callable[[bytes, bytes], bytes]


def mask_in_python(data: bytes, key: bytes) -> bytes:
    """Return `data` masked, or unmasked, with a key of four bytes."""
    size = len(data)
    pattern = key * (size // 4) + key[: size % 4]
    masked = int.from_bytes(data, sys.byteorder) ^ int.from_bytes(pattern, sys.byteorder)
    return masked.to_bytes(size, sys.byteorder)


def _as_it_is(function: Callable[..., Any]) -> Mask:
    return function


def _key_first(function: Callable[[bytes, bytes], bytes]) -> Mask:
    def mask(data: bytes, key: bytes) -> bytes:
        return function(key, data)

    return mask


def _in_place(function: Callable[[bytes, bytearray], None]) -> Mask:
    def mask(data: bytes, key: bytes) -> bytes:
        copied = bytearray(data)
        function(key, copied)
        return bytes(copied)

    return mask


# Fastest first: (module, function, how it is called, whether importing it loads a whole engine).
# What loads an engine is used only where that engine is loaded already.
_FUNCTIONS: Final[tuple[tuple[str, str, Callable[[Any], Mask], bool], ...]] = (
    ("websockets.speedups", "apply_mask", _as_it_is, False),
    ("tornado.speedups", "websocket_mask", _key_first, False),
    ("aiohttp._websocket.mask", "_websocket_mask_cython", _in_place, True),
)


@cache
def find_mask() -> Mask:
    """Return the fastest masking function there is: `mask(data, key)`; looked for once."""
    for module, name, adapt, loads_engine in _FUNCTIONS:
        if loads_engine and module.partition(".")[0] not in sys.modules:
            continue
        try:
            function = getattr(import_module(module), name)
        except (ImportError, AttributeError):
            continue  # not installed, built without its extension, or a version without it
        return adapt(function)
    return mask_in_python

"""How many bytes an object holds on to, however deep: what a limit on memory is measured with."""

from __future__ import annotations

import gc
import types

__all__ = ["retained_bytes"]

SHARED = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.CodeType)


def retained_bytes(root: object) -> int:
    """Return the length of every `bytes`, `bytearray` and `str` that only `root` leads to.

    Classes, functions and modules, which all objects share, are not entered.
    """
    seen = {id(root)}
    waiting = [root]
    total = 0
    while waiting:
        for found in gc.get_referents(waiting.pop()):
            if id(found) in seen or isinstance(found, SHARED):
                continue
            seen.add(id(found))
            if isinstance(found, (bytes, bytearray, str)):
                total += len(found)
            else:
                waiting.append(found)
    return total

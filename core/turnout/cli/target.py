"""`MODULE:ATTR` on the command line: import the module, find the registry in it."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from types import ModuleType, TracebackType
from typing import Any

from turnout.cli.errors import CommandError, nearest
from turnout.registry import WebSocketHandlerRegistry

__all__ = ["load_registry"]


def load_registry(target: str) -> WebSocketHandlerRegistry:
    """Return the registry that `MODULE:ATTR` names; the current directory is searched first.

    Raises `CommandError` with the one line that helps: which module is missing, where the user's
    own module fails, which attribute was meant.
    """
    module_name, separator, attribute = target.partition(":")
    if not (module_name and separator and attribute):
        raise CommandError(f"{target!r} names no registry: write MODULE:ATTR, as in app:registry")
    if module_name.endswith(".py") or "/" in module_name:
        raise CommandError(
            f"{module_name!r} is a file: name the module, as in {_module_for(module_name)}"
            f":{attribute}"
        )
    found = _attribute(_import(module_name), attribute)
    if not isinstance(found, WebSocketHandlerRegistry):
        raise CommandError(
            f"{target} is {_article(type(found).__name__)}, not a WebSocketHandlerRegistry"
        )
    return found


def _import(name: str) -> ModuleType:
    here = os.getcwd()  # noqa: PTH109  # sys.path takes strings
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise CommandError(
                f"there is no module {error.name!r} in {here} or on the Python path"
            ) from error
        raise _broken(name, error) from error
    except (Exception, SystemExit) as error:
        raise _broken(name, error) from error


def _broken(name: str, error: BaseException) -> CommandError:
    """Say which error the import ended in, and where in the user's code."""
    last = traceback.format_exception_only(error)[-1].strip()
    return CommandError(f"cannot import {name!r}: {last} ({_place(error)})")


def _place(error: BaseException) -> str:
    if isinstance(error, SyntaxError) and error.filename is not None:
        return f"{_relative(error.filename)}:{error.lineno}"
    frames = _frames(error.__traceback__)
    own = [frame for frame in frames if _is_own(_relative(frame[0]))]
    outside = [frame for frame in frames if not frame[0].startswith("<")]
    file, line = (own or outside or frames)[-1]
    return f"{_relative(file)}:{line}"


def _is_own(file: str) -> bool:
    return not file.startswith((os.sep, "<")) and "site-packages" not in file


def _frames(position: TracebackType | None) -> list[tuple[str, int]]:
    return [(frame.filename, frame.lineno or 0) for frame in traceback.extract_tb(position)]


def _relative(file: str) -> str:
    """Return a path under the current directory without it, any other as it is."""
    return file.removeprefix(os.getcwd() + os.sep)  # noqa: PTH109  # as `_import` has it


def _attribute(module: ModuleType, path: str) -> Any:
    found: Any = module
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            raise CommandError(_missing(module, path, found, name)) from None
    return found


def _missing(module: ModuleType, path: str, holder: Any, name: str) -> str:
    registries = [
        key for key, value in vars(module).items() if isinstance(value, WebSocketHandlerRegistry)
    ]
    if registries and holder is module:
        hint = f"; its registry is {' or '.join(f'{module.__name__}:{one}' for one in registries)}"
    else:
        hint = nearest(name, dir(holder))
    return f"the module {module.__name__!r} has no attribute {path!r}{hint}"


def _module_for(file: str) -> str:
    return file.removesuffix(".py").strip("./").replace("/", ".")


def _article(kind: str) -> str:
    return f"{'an' if kind[0].lower() in 'aeiou' else 'a'} {kind}"

"""Mistakes in a handler that Python itself would show at the first connection only, or never."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from turnout.errors import ConfigurationError
from turnout.handlers.base import StreamWebSocketHandler

__all__ = ["check_callbacks", "check_no_generator", "check_spelling", "label", "sub_protocol_names"]

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")  # RFC 6455 section 4.1, item 10
_ARGUMENTS = {"after_connection_established": "session", "handle": "session"}
_OTHER_ARGUMENTS = "session, argument"
_ALIKE = 0.93  # a letter wrong or a plural; `after_connection_opened` is a name of its own


def sub_protocol_names(names: str | Iterable[str]) -> tuple[str, ...]:
    """Return one name, or several, as a tuple; raise `ConfigurationError` for what is no name."""
    listed = (names,) if isinstance(names, str) else tuple(names)
    for name in listed:
        if not _TOKEN.match(name):
            raise ConfigurationError(f"not the name of a sub-protocol: {name!r}")
    return listed


def check_callbacks(handler: Any, overridden: Sequence[str]) -> None:
    """Raise `ConfigurationError` for callbacks that cannot be called as they will be.

    `handler` is the object or class that has them, `overridden` the names of those it defines.
    """
    if isinstance(handler, StreamWebSocketHandler) and "handle" not in overridden:
        raise ConfigurationError(f"{label(handler)} needs a handle(session) method")
    for name in overridden:
        callback = getattr(handler, name)
        check_no_generator(_label_of(handler, name), callback)
        if not isinstance(handler, type):  # else it is not bound yet
            _check_arguments(handler, name, callback)


def check_spelling(handler: Any, callbacks: Sequence[str]) -> None:
    """Raise `ConfigurationError` for a method that looks like a callback and is never called."""
    for name in _public_methods(handler if isinstance(handler, type) else type(handler)):
        if name in callbacks or not name.startswith(("handle", "after")):
            continue
        near = _most_alike(re.sub(r"(?<=[a-z])([A-Z])", r"_\1", name).lower(), callbacks)
        if near:
            raise ConfigurationError(
                f"{label(handler)}.{name} is never called: did you mean {near[0]}?"
                " (A method of your own gets a name less alike, or an underscore in front.)"
            )


def _most_alike(name: str, callbacks: Sequence[str]) -> list[str]:
    import difflib

    return difflib.get_close_matches(name, callbacks, 1, _ALIKE)


def _public_methods(handler: type) -> Iterator[str]:
    for kind in handler.__mro__:
        for name, value in vars(kind).items():
            if not name.startswith("_") and inspect.isroutine(value):
                yield name


def check_no_generator(name: str, callback: Any) -> None:
    """Raise `ConfigurationError` for a function that yields: called, it would do nothing."""
    while isinstance(callback, functools.partial):
        callback = callback.func
    if inspect.isgeneratorfunction(callback) or inspect.isasyncgenfunction(callback):
        raise ConfigurationError(f"{name} yields, which sends nothing: use session.send(message)")


def _check_arguments(handler: Any, name: str, callback: Any) -> None:
    try:
        signature = inspect.signature(callback)
    except (TypeError, ValueError):
        return  # written in C, perhaps: it does not tell what it takes
    given = _ARGUMENTS.get(name, _OTHER_ARGUMENTS)
    try:
        signature.bind(*given.split(", "))
    except TypeError:
        raise ConfigurationError(
            f"{_label_of(handler, name)} takes ({', '.join(signature.parameters)}) and is called"
            f" with ({given}); the variables of the path are in session.path_variables"
        ) from None


def _label_of(handler: Any, callback: str) -> str:
    function = getattr(handler, "__dict__", {}).get("handle")
    return label(handler) if function else f"{label(handler)}.{callback}"


def label(handler: Any) -> str:
    """Return what a user calls a handler: the name of its class, or of its function."""
    function = getattr(handler, "__dict__", {}).get("handle")
    named = function or (handler if isinstance(handler, type) else type(handler))
    return getattr(named, "__qualname__", repr(named))

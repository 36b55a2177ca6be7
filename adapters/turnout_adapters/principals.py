"""The users of web frameworks and servers as principals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["HostUser", "principal_of"]

NAMES = ("name", "username", "display_name")


@dataclass(frozen=True, slots=True)
class HostUser:
    """A user that the host has authenticated; `native` is the host's own object."""

    name: str
    native: Any


def principal_of(user: object) -> HostUser | None:
    """Return a host's user as a principal; None for nobody, or for somebody unknown.

    The name is a `name`, `username` or `display_name`, or the user itself where it is a string.
    """
    if not user or getattr(user, "is_authenticated", True) is False:
        return None
    named = (user, *(getattr(user, attribute, None) for attribute in NAMES))
    name = next((found for found in named if isinstance(found, str)), None)
    return None if name is None else HostUser(name, user)

"""Values on the command line: sizes with units, seconds, `none`, compression settings."""

from __future__ import annotations

import re
from dataclasses import fields
from enum import Enum
from typing import Any

from turnout.cli.errors import nearest
from turnout.errors import ConfigurationError
from turnout.options import Deflate

__all__ = [
    "ValueSyntaxError",
    "format_seconds",
    "format_size",
    "format_value",
    "parse_choice",
    "parse_compression",
    "parse_count",
    "parse_seconds",
    "parse_size",
]

UNITS = {
    "": 1,
    "b": 1,
    "kb": 1000,
    "mb": 1000**2,
    "gb": 1000**3,
    "kib": 1024,
    "mib": 1024**2,
    "gib": 1024**3,
}
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)")
_SECONDS = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|s|min|)")


class ValueSyntaxError(ValueError):
    """A value that cannot be read; the message says what can."""


def parse_size(text: str) -> int | None:
    """Read `1048576`, `64KiB`, `1.5MB` or `none`."""
    if _is_none(text):
        return None
    match = _SIZE.fullmatch(text)
    if match is None or match[2].lower() not in UNITS:
        raise ValueSyntaxError(f"{text!r} is no size: give bytes, or units as in 64KiB, or none")
    size = float(match[1]) * UNITS[match[2].lower()]
    if not size.is_integer():
        raise ValueSyntaxError(f"{text!r} is no whole number of bytes")
    return int(size)


def parse_count(text: str) -> int | None:
    """Read a whole number or `none`."""
    if _is_none(text):
        return None
    if not re.fullmatch(r"[0-9]+", text):
        raise ValueSyntaxError(f"{text!r} is no whole number: give one, or none")
    return int(text)


def parse_seconds(text: str) -> float | None:
    """Read `10`, `0.5`, `10s`, `250ms`, `5min` or `none`."""
    if _is_none(text):
        return None
    match = _SECONDS.fullmatch(text)
    if match is None:
        raise ValueSyntaxError(
            f"{text!r} is no time: give seconds, or units as in 250ms, 10s, 5min, or none"
        )
    return float(match[1]) * {"ms": 0.001, "s": 1, "": 1, "min": 60}[match[2]]


def parse_choice(kind: type[Enum], text: str) -> Enum:
    """Read the value of an enumeration, as it is spelled there."""
    known = [member.value for member in kind]
    if text.lower() not in known:
        raise ValueSyntaxError(f"{text!r} is none of {', '.join(known)}{nearest(text, known)}")
    return kind(text.lower())


def parse_compression(text: str) -> Deflate | None:
    """Read `off`, `deflate`, or `deflate:window_bits=12,memory_level=5,threshold=64`."""
    kind, _, settings = text.partition(":")
    if kind in ("off", "none") and not settings:
        return None
    if kind != "deflate":
        raise ValueSyntaxError(
            f"{text!r} is no compression: give off, deflate, or deflate:window_bits=12"
        )
    try:
        return Deflate(**dict(map(_setting, filter(None, settings.split(",")))))
    except ConfigurationError as error:
        raise ValueSyntaxError(str(error)) from error


def _setting(text: str) -> tuple[str, int]:
    name, _, value = (part.strip() for part in text.partition("="))
    known = [one.name for one in fields(Deflate)]
    if name not in known:
        raise ValueSyntaxError(f"deflate has no setting {name!r}; it has {', '.join(known)}")
    number = parse_size(value) if name == "threshold" else parse_count(value)
    if number is None:
        raise ValueSyntaxError(f"{name} takes a number")
    return name, number


def _is_none(text: str) -> bool:
    return text.lower() == "none"


def format_size(size: int) -> str:
    """Return a size as it would be typed: `64KiB`."""
    for unit, factor in (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024)):
        if size and size % factor == 0:
            return f"{size // factor}{unit}"
    return str(size)


def format_seconds(seconds: float) -> str:
    """Return a time as it would be typed: `10`."""
    return f"{seconds:g}"


def format_value(value: Any, unit: str) -> str:
    """Return the default of an option as it would be typed."""
    if isinstance(value, Enum):
        return str(value.value)
    if value is None:
        return "none"
    return {"bytes": format_size, "seconds": format_seconds}.get(unit, str)(value)

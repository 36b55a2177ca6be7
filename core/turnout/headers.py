"""HTTP header fields: ordered, repeatable, looked up without regard to case."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, TypeAlias, TypeVar, cast, overload

__all__ = ["HANDSHAKE_FIELDS", "Headers", "HeadersLike", "split_list"]

T = TypeVar("T")

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")  # RFC 9110 section 5.6.2, token
_FORBIDDEN = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")  # RFC 9110 section 5.5: no CR, LF, NUL, ...


HANDSHAKE_FIELDS: Final = (
    "Accept-Encoding",
    "Accept-Language",
    "Cache-Control",
    "Connection",
    "Cookie",
    "Host",
    "Origin",
    "Pragma",
    "Sec-WebSocket-Extensions",
    "Sec-WebSocket-Key",
    "Sec-WebSocket-Protocol",
    "Sec-WebSocket-Version",
    "Upgrade",
    "User-Agent",
)
"""What browsers send, as they spell it; a connection need not keep names of its own for these."""


class Headers(Mapping[str, str]):
    """A mutable multi-map of header fields.

    `headers["Name"]` joins repeated fields with ", " as RFC 9110 section 5.3 allows;
    `get_all` keeps them apart (Set-Cookie must not be joined).
    """

    __slots__ = ("_fields", "_grouped")

    def __init__(self, fields: HeadersLike = ()) -> None:
        self._fields: list[tuple[str, str]] = []
        self._grouped: dict[str, list[str]] | None = None
        for name, value in _pairs(fields):
            self.add(name, value)

    @classmethod
    def trusted(cls, fields: Iterable[tuple[str, str]]) -> Headers:
        """Wrap fields that a server's parser has already checked."""
        headers = cls()
        headers._fields = list(fields)
        return headers

    def add(self, name: str, value: str) -> None:
        """Append a field, keeping those of the same name; raise `ValueError` on illegal bytes."""
        _check(name, value)
        self._fields.append((name, value.strip(" \t")))
        self._grouped = None

    def check(self) -> None:
        """Raise `ValueError` on illegal bytes; a field that came by `trusted` may have some."""
        # All values at once: hardly ever is one of them malformed.
        if _may_be_sent("".join([value for _, value in self._fields])):
            for name, _ in self._fields:
                _check_name(name)
            return
        for name, value in self._fields:
            _check(name, value)

    def set(self, name: str, value: str) -> None:
        """Replace every field of that name by this one."""
        self.remove(name)
        self.add(name, value)

    def remove(self, name: str) -> None:
        """Drop every field of that name, if there is one."""
        lowered = name.lower()
        self._fields = [field for field in self._fields if field[0].lower() != lowered]
        self._grouped = None

    def extend(self, fields: HeadersLike) -> None:
        """Append several fields."""
        for name, value in _pairs(fields):
            self.add(name, value)

    @overload
    def get(self, name: str, /) -> str | None: ...
    @overload
    def get(self, name: str, /, default: str) -> str: ...
    @overload
    def get(self, name: str, /, default: T) -> str | T: ...

    def get(self, name: str, /, default: T | str | None = None) -> str | T | None:
        """Return what `headers[name]` is, or the default; a handshake asks several times."""
        values = self._by_name().get(name.lower())
        return default if values is None else ", ".join(values)

    def get_all(self, name: str) -> list[str]:
        """Return the value of every field of that name, in order."""
        return list(self._by_name().get(name.lower(), ()))

    def get_list(self, name: str) -> list[str]:
        """Return the members of a comma-separated field, trimmed, over all its lines."""
        return [part for value in self.get_all(name) for part in split_list(value)]

    def fields(self) -> list[tuple[str, str]]:
        """Return every field as it came, in order."""
        return list(self._fields)

    def drop_index(self) -> None:
        """Give the memory back by which fields are found fast; the next look-up takes it again."""
        self._grouped = None

    def copy(self) -> Headers:
        """Return an independent copy."""
        return Headers.trusted(self._fields)

    def __getitem__(self, name: str) -> str:
        values = self._by_name().get(name.lower())
        if values is None:
            raise KeyError(name)
        return ", ".join(values)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._by_name()

    def __iter__(self) -> Iterator[str]:
        seen: set[str] = set()
        for key, _ in self._fields:
            if key.lower() not in seen:
                seen.add(key.lower())
                yield key

    def __len__(self) -> int:
        return len(self._by_name())

    def __eq__(self, other: object) -> bool:
        """Compare without regard to the case of names and to the order of different ones."""
        if isinstance(other, Headers):
            return self._by_name() == other._by_name()
        if not isinstance(other, Mapping):
            return NotImplemented
        return {name.lower(): self[name] for name in self} == {
            str(name).lower(): value for name, value in other.items()
        }

    __hash__ = None  # type: ignore[assignment]  # it can be changed

    def _by_name(self) -> dict[str, list[str]]:
        """Return the values by names in lower case; a handshake looks up a dozen of them."""
        grouped = self._grouped
        if grouped is None:
            grouped = {}
            for name, value in self._fields:
                grouped.setdefault(name.lower(), []).append(value)
            self._grouped = grouped  # whole: other threads may look, too
        return grouped

    def __copy__(self) -> Headers:
        return self.copy()

    def __repr__(self) -> str:
        """Name the fields only: values hold cookies and tokens."""
        return f"Headers({', '.join(self)})"


def _check(name: str, value: str) -> None:
    _check_name(name)
    if not _may_be_sent(value):
        raise ValueError(f"the value of header {name} has a character that may not be sent")


def _check_name(name: str) -> None:
    if not _NAME.match(name):
        raise ValueError(f"not a header name: {name!r}")


def _may_be_sent(value: str) -> bool:
    return not _FORBIDDEN.search(value) and (value.isascii() or _is_latin(value))


def _pairs(fields: HeadersLike) -> Iterable[tuple[str, str]]:
    if isinstance(fields, Headers):  # its items are joined, which cookies must not be
        return fields.fields()
    if isinstance(fields, Mapping):
        return cast("Mapping[str, str]", fields).items()
    return fields


def _is_latin(value: str) -> bool:
    return all(ord(character) < 256 for character in value)


def split_list(value: str) -> list[str]:
    """Split one comma-separated header value, trimmed, without empty members."""
    return [member for part in value.split(",") if (member := part.strip(" \t"))]


HeadersLike: TypeAlias = Mapping[str, str] | Iterable[tuple[str, str]]

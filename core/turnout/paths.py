"""Path templates: `/chat/{room}`, `/files/{rest:path}`, and the table that finds their values.

A template is split at its slashes. A segment is literal text, `{name}` for one segment that is
not empty, or, at the end, `{name:path}` for all that is left, be it empty or of many segments.

Paths are matched as they were sent, still percent-encoded: they are split first and decoded
after, so an encoded slash never makes a new segment. Segments are compared from the left, and at
each one literal text beats `{name}`, which beats `{name:path}`. A path that is not UTF-8, or has a
segment `.` or `..` however encoded, matches nothing: no browser sends one, and none may escape
from the folder that `{name:path}` stands in.

    table: PathTable[T]
    table.add(template: str, value: T) -> PathTemplate      raises ConfigurationError
    table.match(raw_path: str) -> tuple[T, dict[str, str]] | None
    PathPattern("/api/**").matches(raw_path: str) -> bool
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from urllib.parse import unquote

from turnout.errors import ConfigurationError

__all__ = ["PathPattern", "PathTable", "PathTemplate"]

T = TypeVar("T")

_VARIABLE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)(:path)?\}\Z")
_DOTS = frozenset({".", ".."})


def split_path(raw_path: str) -> list[str] | None:
    """Split a path at its slashes and decode each segment; None for one that matches nothing."""
    if not raw_path.startswith("/"):
        return None
    segments = raw_path[1:].split("/")
    if "%" in raw_path:
        try:
            segments = [unquote(segment, errors="strict") for segment in segments]
        except UnicodeError:
            return None
    return None if any(map(_has_dots, segments)) else segments


def _has_dots(segment: str) -> bool:
    return "." in segment and not _DOTS.isdisjoint(segment.split("/"))


@dataclass(frozen=True, slots=True, eq=False)
class PathTemplate:
    """A parsed template; raises `ConfigurationError` for one that cannot be meant."""

    text: str
    segments: tuple[str | None, ...] = field(init=False, repr=False)
    """Decoded literal text, or None for a variable; without a final `{name:path}`."""
    names: tuple[str, ...] = field(init=False, repr=False)
    """The names of the variables, from left to right."""
    takes_rest: bool = field(init=False, repr=False)
    """True when the last variable is `{name:path}`."""

    def __post_init__(self) -> None:
        if not self.text.startswith("/"):
            raise ConfigurationError(f"a path starts with a slash, unlike {self.text!r}")
        if "?" in self.text or "#" in self.text:
            raise ConfigurationError(f"a path has no query or fragment: {self.text!r}")
        segments, names, takes_rest = _parse(self.text)
        object.__setattr__(self, "segments", segments)
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "takes_rest", takes_rest)


def _parse(text: str) -> tuple[tuple[str | None, ...], tuple[str, ...], bool]:
    parts = text[1:].split("/")
    segments: list[str | None] = []
    names: list[str] = []
    takes_rest = False
    for position, part in enumerate(parts):
        variable = _VARIABLE.match(part)
        if variable is None:
            segments.append(_literal(part, text))
            continue
        _add_name(variable[1], names, text)
        if not variable[2]:
            segments.append(None)
        elif position == len(parts) - 1:
            takes_rest = True
        else:
            raise ConfigurationError(f"{part} must be the last segment of {text!r}")
    return tuple(segments), tuple(names), takes_rest


def _add_name(name: str, names: list[str], text: str) -> None:
    if name in names:
        raise ConfigurationError(f"{text!r} has the variable {name!r} twice")
    names.append(name)


def _literal(part: str, text: str) -> str:
    if "{" in part or "}" in part:
        raise ConfigurationError(
            f"{part!r} in {text!r} is neither literal text nor one {{name}} or {{name:path}}"
        )
    try:
        literal = unquote(part, errors="strict")
    except UnicodeError:
        raise ConfigurationError(f"{part!r} in {text!r} is not percent-encoded UTF-8") from None
    if _has_dots(literal):
        raise ConfigurationError(f"{text!r} has a dot segment, which no path matches")
    return literal


class _Entry(Generic[T]):
    __slots__ = ("template", "value")

    def __init__(self, template: PathTemplate, value: T) -> None:
        self.template = template
        self.value = value


class _Node(Generic[T]):
    __slots__ = ("end", "literals", "rest", "variable")

    def __init__(self) -> None:
        self.literals: dict[str, _Node[T]] = {}
        self.variable: _Node[T] | None = None
        self.end: _Entry[T] | None = None
        self.rest: _Entry[T] | None = None


class PathTable(Generic[T]):
    """Maps path templates to values; adding while others match is safe."""

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()
        # Templates without variables, as text: they win anyway, so one look-up finds them.
        self._literals: dict[str, T] = {}
        self._templates: list[PathTemplate] = []

    def add(self, template: str, value: T) -> PathTemplate:
        """Map `template` to `value`.

        Raises `ConfigurationError` for a malformed template, and for one that matches exactly the
        paths of another: names of variables make no difference.
        """
        return self.add_all([template], value)[0]

    def add_all(self, templates: Iterable[str], value: T) -> list[PathTemplate]:
        """Map several templates to one value; when one of them cannot be, none is."""
        parsed = [PathTemplate(template) for template in templates]
        nodes = [self._node_for(template) for template in parsed]
        for index, (template, node) in enumerate(zip(parsed, nodes, strict=True)):
            taken = node.rest if template.takes_rest else node.end
            _expect_free(None if taken is None else taken.template, template)
            for other in range(index):
                if nodes[other] is node and parsed[other].takes_rest is template.takes_rest:
                    _expect_free(parsed[other], template)
        for template, node in zip(parsed, nodes, strict=True):
            self._insert(template, node, value)
        return parsed

    def _insert(self, template: PathTemplate, node: _Node[T], value: T) -> None:
        if template.takes_rest:
            node.rest = _Entry(template, value)
        else:
            node.end = _Entry(template, value)
        if not template.names and "%" not in template.text:
            self._literals[template.text] = value
        self._templates.append(template)

    def match(self, raw_path: str) -> tuple[T, dict[str, str]] | None:
        """Return the value of the most specific template that fits, and its decoded variables.

        `raw_path` is percent-encoded and has no query.
        """
        if raw_path in self._literals:
            return self._literals[raw_path], {}
        segments = split_path(raw_path)
        if segments is None:
            return None
        values: list[str] = []
        entry = _find(self._root, segments, 0, values)
        if entry is None:
            return None
        return entry.value, dict(zip(entry.template.names, values, strict=True))

    @property
    def templates(self) -> tuple[PathTemplate, ...]:
        """Every template, in the order of their registration."""
        return tuple(self._templates)

    def __len__(self) -> int:
        return len(self._templates)

    def _node_for(self, template: PathTemplate) -> _Node[T]:
        node = self._root
        for segment in template.segments:
            if segment is not None:
                node = node.literals.setdefault(segment, _Node())
            else:
                if node.variable is None:
                    node.variable = _Node()
                node = node.variable
        return node


def _expect_free(taken: PathTemplate | None, template: PathTemplate) -> None:
    if taken is not None:
        raise ConfigurationError(
            f"{template.text!r} matches the same paths as {taken.text!r},"
            " which is registered already"
        )


def _find(
    node: _Node[T], segments: list[str], position: int, values: list[str]
) -> _Entry[T] | None:
    # A node is reached by one way only, so this visits each at most once: no path, however
    # built, costs more than the table is large.
    if position == len(segments):
        return node.end
    segment = segments[position]
    child = node.literals.get(segment)
    if child is not None and (entry := _find(child, segments, position + 1, values)):
        return entry
    if node.variable is not None and segment:
        values.append(segment)
        if entry := _find(node.variable, segments, position + 1, values):
            return entry
        values.pop()
    if node.rest is not None:
        values.append("/".join(segments[position:]))
    return node.rest


class PathPattern:
    """A set of paths: `/api/**` is `/api` and all below it, `/v*/chat` has a wildcard in a segment.

    `*` stands for any characters of one segment, `**` as the last segment for any number of
    segments, `{name}` for one whole segment. Raises `ConfigurationError` when malformed.
    """

    __slots__ = ("_open", "_segments", "text")

    def __init__(self, text: str) -> None:
        if not text.startswith("/"):
            raise ConfigurationError(f"a path pattern starts with a slash, unlike {text!r}")
        parts = text[1:].split("/")
        self.text: str = text
        self._open = parts[-1] == "**"
        if self._open:
            parts.pop()
        if any("**" in part for part in parts):
            raise ConfigurationError(f"** must be the last segment of {text!r}")
        self._segments = [_segment_pattern(part, text) for part in parts]

    def matches(self, raw_path: str) -> bool:
        """Tell whether the percent-encoded path is one of the set."""
        segments = split_path(raw_path)
        if segments is None or len(segments) < len(self._segments):
            return False
        if len(segments) > len(self._segments) and not self._open:
            return False
        pairs = zip(self._segments, segments, strict=False)
        return all(pattern.fullmatch(segment) for pattern, segment in pairs)

    def __repr__(self) -> str:
        return f"PathPattern({self.text!r})"


def _segment_pattern(part: str, text: str) -> re.Pattern[str]:
    variable = _VARIABLE.match(part)
    if variable is not None and not variable[2]:
        return re.compile(".+", re.DOTALL)
    literals = [re.escape(_literal(piece, text)) for piece in part.split("*")]
    return re.compile(".*".join(literals), re.DOTALL)

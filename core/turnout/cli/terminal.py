"""Tables and colour on a terminal; plain text where there is none, or where NO_COLOR is set."""

from __future__ import annotations

import os
import shutil
import textwrap
from collections.abc import Sequence
from typing import TextIO

__all__ = ["Styles", "fold_last", "format_table", "width_of"]


class Styles:
    """Escape sequences for one output stream, empty where it shall get none.

    `NO_COLOR` set to anything but an empty string turns them off (https://no-color.org).
    """

    def __init__(self, stream: TextIO) -> None:
        self._enabled = (
            not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb" and stream.isatty()
        )

    def bold(self, text: str) -> str:
        """Return a heading."""
        return self._wrap(text, 1)

    def dim(self, text: str) -> str:
        """Return something of less weight."""
        return self._wrap(text, 2)

    def green(self, text: str) -> str:
        """Return something that went well."""
        return self._wrap(text, 32)

    def red(self, text: str) -> str:
        """Return something that did not."""
        return self._wrap(text, 31)

    def _wrap(self, text: str, code: int) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._enabled else text


def width_of(stream: TextIO) -> int | None:
    """Return how many columns a terminal has; None is no terminal, and as wide as is needed."""
    return shutil.get_terminal_size().columns if stream.isatty() else None


def fold_last(line: str, last: str, width: int | None, indent: int = 4) -> list[str]:
    """Return a line of a table, with its last cell below it where both do not fit."""
    if width is None or len(line) <= width or not last:
        return [line]
    space = " " * indent
    below = textwrap.wrap(last, width, initial_indent=space, subsequent_indent=space)
    return [line.removesuffix(last).rstrip(), *below]


def format_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return lines of aligned columns, the header first; the last column is not padded."""
    everything = [header, *rows]
    widths = [max(map(len, column)) for column in zip(*everything, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in everything
    ]

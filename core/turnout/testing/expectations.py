"""What a test of the suite expected and what it met, in words that need no Python."""

from __future__ import annotations

__all__ = ["EndOfStream", "Reset", "Silence", "Unexpected", "Unmet", "quote"]

QUOTED = 60
"""How many characters of a payload a message shows."""
QUOTED_BYTES = 16
"""How many bytes of what is no text."""


class Unmet(Exception):
    """What was expected did not come; `expected` and `got` are phrases, as in "a text frame"."""

    def __init__(self, expected: str, got: str) -> None:
        super().__init__(f"expected {expected}, got {got}")
        self.expected = expected
        self.got = got


class Unexpected(Unmet, AssertionError):
    """The server did something else."""


class EndOfStream(Unmet, ConnectionError):
    """The server ended the connection where more bytes were expected."""

    def __init__(self, expected: str, buffered: bytes | bytearray = b"") -> None:
        super().__init__(expected, f"the end of the connection{_after(buffered)}")


class Reset(Unmet, ConnectionResetError):
    """The server cut the connection where more bytes were expected."""

    def __init__(self, expected: str, buffered: bytes | bytearray = b"") -> None:
        super().__init__(expected, f"a reset of the connection{_after(buffered)}")


class Silence(Unmet, TimeoutError):
    """The server said nothing, or not enough, for as long as the client waits."""

    def __init__(self, expected: str, seconds: float, buffered: bytes | bytearray = b"") -> None:
        time = f"{seconds:g} second{'' if seconds == 1 else 's'}"
        super().__init__(expected, f"nothing for {time}{_after(buffered)}")


def _after(buffered: bytes | bytearray) -> str:
    return f" after {quote(bytes(buffered))}" if buffered else ""


def quote(data: str | bytes, limit: int = QUOTED) -> str:
    """Return the beginning of a payload: as text where it is text, in hexadecimal where not."""
    text = data if isinstance(data, str) else _as_text(data, limit)
    if text is None:
        shown = bytes(data[:QUOTED_BYTES])  # type: ignore[arg-type]  # a string is text
        return shown.hex(" ") + (" …" if len(data) > QUOTED_BYTES else "")
    return repr(text[:limit]) + ("…" if len(data) > limit else "")


def _as_text(data: bytes, limit: int) -> str | None:
    try:
        text = data[:limit].decode()
    except UnicodeDecodeError as error:
        if error.end < limit or error.end < len(data[:limit]):
            return None
        text = data[: error.start].decode()  # the limit has cut a character
    return text if all(one.isprintable() or one in "\r\n\t" for one in text) else None

"""How many bytes the next frame of a message may bring."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from turnout.errors import MessageTooBigError

if TYPE_CHECKING:
    from turnout.options import WebSocketOptions

__all__ = ["SizeLimits"]

# Above every legal payload length that memory could hold, and still a C integer when one is added.
UNLIMITED: Final = 1 << 62


class SizeLimits:
    """The inclusive limits of one connection, in bytes of payload before compression.

    `text` and `binary` hold for a whole message. With `partial` they hold for each piece, which
    is what one frame brings, and the message as a whole has a limit of its own.
    """

    __slots__ = ("_partial", "_total", "binary", "text")

    def __init__(self, options: WebSocketOptions, partial: bool) -> None:
        self._partial = partial
        self._total = _limit(options.max_total_size)
        self.text: int = self._of_one_frame(_limit(options.max_text_size))
        self.binary: int = self._of_one_frame(_limit(options.max_binary_size))

    def _of_one_frame(self, limit: int) -> int:
        return min(limit, self._total) if self._partial else limit

    def left(self, is_text: bool, size: int) -> int:
        """Return what the next frame may bring to a message that has `size` bytes already."""
        limit = self.text if is_text else self.binary
        return min(limit, self._total - size) if self._partial else limit - size


def _limit(option: int | None) -> int:
    return UNLIMITED if option is None else option


def too_big(size: int, limit: int) -> MessageTooBigError:
    """Return the error for a frame of `size` bytes where only `limit` bytes may come."""
    return MessageTooBigError(
        f"a frame of {size} bytes where at most {limit} may come (RFC 6455 section 7.4.1)"
    )

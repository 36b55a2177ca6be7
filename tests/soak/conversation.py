"""What client and handler say to each other.

A client numbers its messages from 1: `NUMBER COMMAND SIZE PADDING`. The handler journals a number
that does not follow the one before, and a padding that is not what the client must have sent; it
answers `ack NUMBER`, so what was acknowledged was received.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["COMMANDS", "LARGEST", "Received", "acknowledgement", "request", "take_request"]

COMMANDS = ("say", "flood", "broadcast", "bye")
"""Nothing more; many messages before the answer; one to other sessions; a close with 4001."""
LARGEST = 16_000
PATTERN = "".join(chr(0x21 + (7 * position) % 1009) for position in range(1009)) * (
    LARGEST // 1009 + 2
)


@dataclass(frozen=True, slots=True)
class Received:
    """A client's message, taken apart."""

    number: int
    command: str


def request(number: int, command: str, size: int) -> str:
    """Return a client's message with `size` characters of padding."""
    return f"{number} {command} {size} {_padding(number, size)}"


def take_request(text: str) -> Received:
    """Take a client's message apart; raise `ValueError` when it is not as it was sent."""
    number, command, size, padding = text.split(" ", 3)
    if padding != _padding(int(number), int(size)) or command not in COMMANDS:
        raise ValueError(f"message {number} is damaged")
    return Received(int(number), command)


def acknowledgement(number: int) -> str:
    """Return the answer to a message."""
    return f"ack {number}"


def _padding(number: int, size: int) -> str:
    begin = number % 97
    return PATTERN[begin : begin + size]

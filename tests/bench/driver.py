"""What the standard driver itself costs: microseconds for one echo, without any I/O.

One echo is `receive_data`, `next_event` until it is None, and `encode` of what came. Run it with
`python tests/bench/driver.py`; it prints the best of several rounds, with the short cut, without
it, and for `websockets`' own sans-I/O core beside it. Nothing is held to a figure here: the
budgets of `tests/bench` are ratios measured end to end.
"""

from __future__ import annotations

import random
import sys
import time
import tracemalloc
from collections.abc import Callable
from typing import TypeAlias

from websockets.frames import Frame
from websockets.protocol import OPEN, SERVER, Protocol

from turnout.messages import Message, TextMessage
from turnout.options import WebSocketOptions
from turnout.protocol.driver import Driver
from turnout.protocol.extensions import DeflateParameters
from turnout.protocol.masking import find_mask
from turnout.testing.frames import encode_frame

Echo: TypeAlias = Callable[[], object]

TEXT, BINARY = 0x1, 0x2
ROUNDS = 7
SECONDS_A_ROUND = 0.2


class WsprotoOnly(Driver):
    """The driver without its short cut."""

    __slots__ = ()
    _short_cut = False


def echo_of(driver: Driver, *chunks: bytes) -> Echo:
    """Return a function that echoes once."""

    def echo() -> None:
        for chunk in chunks:
            driver.receive_data(chunk)
            while (event := driver.next_event()) is not None:
                assert isinstance(event, Message)
                driver.encode(event)

    return echo


def websockets_echo(*chunks: bytes) -> Echo:
    """Return the same for the core of `websockets`."""
    protocol = Protocol(SERVER, state=OPEN)

    def echo() -> None:
        for chunk in chunks:
            protocol.receive_data(chunk)
            for event in protocol.events_received():
                assert isinstance(event, Frame)
                if event.opcode == TEXT:
                    protocol.send_text(str(event.data, "utf-8").encode())  # its user gets str
                else:
                    protocol.send_binary(event.data)
            protocol.data_to_send()

    return echo


def best(echo: Echo) -> float:
    """Return the microseconds of one call in the best round."""
    count, began = 0, time.perf_counter()
    while time.perf_counter() - began < SECONDS_A_ROUND / 4:
        echo()
        count += 1
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(count):
            echo()
        times.append((time.perf_counter() - began) / count)
    return min(times) * 1e6


def idle_bytes(driver_class: type[Driver], opening: bytes) -> float:
    """Return the memory of one driver that has seen `opening`, in bytes."""
    options, number = WebSocketOptions(), 1000
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    drivers = [driver_class(options) for _ in range(number)]
    for driver in drivers:
        driver.receive_data(opening)
        while driver.next_event() is not None:
            pass
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (after - before) / number


def main() -> None:
    """Print the table."""
    options = WebSocketOptions()
    text = encode_frame(TEXT, b"x" * 125)
    large = encode_frame(BINARY, random.Random(0).randbytes(16_384))
    cases: dict[str, tuple[bytes, ...]] = {
        "125 B text": (text,),
        "8 of them in one read": (text * 8,),
        "16 KiB binary": (large,),
        "16 KiB in two reads": (large[:9000], large[9000:]),
        "125 B in two fragments": (
            encode_frame(TEXT, b"x" * 60, fin=False) + encode_frame(0, b"x" * 65),
        ),
        "ping": (encode_frame(0x9, b"1234"),),
    }
    print(f"Python {sys.version.split()[0]}, masking by {find_mask()}")
    print(f"{'µs per echo':<26}{'short cut':>11}{'wsproto':>11}{'websockets':>12}")
    for name, chunks in cases.items():
        figures = [
            best(echo_of(Driver(options), *chunks)),
            best(echo_of(WsprotoOnly(options), *chunks)),
            best(websockets_echo(*chunks)) if name != "ping" else float("nan"),
        ]
        print(f"{name:<26}{figures[0]:>11.2f}{figures[1]:>11.2f}{figures[2]:>12.2f}")
    deflate = Driver(options, DeflateParameters(12, 12, memory_level=5))
    print(f"{'125 B, deflate both ways':<26}{best(deflated_echo(deflate)):>11.2f}")
    for name, opening in (("after a message", text), ("after a pong", encode_frame(0xA))):
        figures = [idle_bytes(each, opening) for each in (Driver, WsprotoOnly)]
        print(f"{'bytes ' + name:<26}{figures[0]:>11.0f}{figures[1]:>11.0f}")


def deflated_echo(driver: Driver) -> Echo:
    """Return an echo whose message is compressed both ways."""
    sender = Driver(WebSocketOptions(), DeflateParameters(12, 12, server_no_context_takeover=True))
    compressed = sender.encode(TextMessage("x" * 125))[2:]
    return echo_of(driver, encode_frame(TEXT, compressed, rsv=4))


if __name__ == "__main__":
    main()

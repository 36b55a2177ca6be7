"""What the test subject reports about its own side, as it comes."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from typing import Any, TypeAlias

from turnout.testing.deadlines import DEADLINE
from turnout.testing.expectations import Silence, Unexpected

__all__ = ["Event", "EventLog"]

Event: TypeAlias = dict[str, Any]


class EventLog:
    """Reads the subject's pipe in a thread of its own; `write_end` is for the server's process."""

    def __init__(self) -> None:
        self.write_end: int
        self._read_end, self.write_end = os.pipe()
        self._events: list[Event] = []
        self._times: list[float] = []
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, name="subject-events", daemon=True)
        self._thread.start()

    def started(self) -> None:
        """Note that the server's process has its end of the pipe; ours must not keep it open."""
        os.close(self.write_end)

    def close(self) -> None:
        """Wait until everything was read; the server's process has ended."""
        self._thread.join(timeout=10)
        if self._thread.is_alive():
            raise TimeoutError("somebody still holds the events' pipe after the server has ended")

    def __len__(self) -> int:
        """How many events have been reported so far."""
        return len(self._times)

    def since(self, number: int) -> list[tuple[float, Event]]:
        """Return the events from that one on, each with the monotonic time at which it came."""
        with self._changed:
            return list(zip(self._times, self._events, strict=True))[number:]

    def of(self, token: str, event: str) -> list[Event]:
        """Return what has been reported so far."""
        with self._changed:
            return self._matching(token, event)

    def wait_for(
        self, token: str, event: str, *, count: int = 1, timeout: float = DEADLINE
    ) -> list[Event]:
        """Return the events of that name once there are `count` of them."""
        return self.wait_until(
            lambda: self._matching(token, event),
            lambda found: len(found) >= count,
            f"the handler to report {event!r}{f' {count} times' if count > 1 else ''}",
            timeout,
        )

    def wait_until(
        self,
        look: Callable[[], list[Event]],
        holds: Callable[[list[Event]], bool],
        wanted: str,
        timeout: float,
    ) -> list[Event]:
        """Return what `look` finds once it satisfies `holds`; raise `TimeoutError`."""
        with self._changed:
            if not self._changed.wait_for(lambda: holds(look()), timeout):
                raise Silence(wanted, timeout)
            return look()

    def wait_until_quiet(self, token: str, event: str, *, quiet: float) -> list[Event]:
        """Return the events of that name once nothing at all came for `quiet` seconds."""
        deadline = time.monotonic() + 30
        with self._changed:
            while self._changed.wait(quiet):
                if time.monotonic() > deadline:
                    raise Unexpected(f"the handler to stop reporting {event!r}", "more and more")
            return self._matching(token, event)

    def _matching(self, token: str, event: str) -> list[Event]:
        return [one for one in self._events if one["token"] == token and one["event"] == event]

    def _read(self) -> None:
        with open(self._read_end, "rb") as lines:  # noqa: PTH123  # a descriptor, not a path
            for line in lines:
                event = json.loads(line)
                with self._changed:
                    self._events.append(event)
                    self._times.append(time.monotonic())
                    self._changed.notify_all()

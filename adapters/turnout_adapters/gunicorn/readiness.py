"""How an arbiter learns that a worker of its own is ready, without missing a signal."""

from __future__ import annotations

import os
import select
import signal
from types import TracebackType
from typing import Self

__all__ = ["Readiness"]

ENDING = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGQUIT})


class Readiness:
    """A pipe from the workers that are forked in its `with` block to their arbiter."""

    def __enter__(self) -> Self:
        self._told, self._telling = os.pipe()
        self._woken, self._waking = os.pipe()
        os.set_blocking(self._waking, False)
        self._previous = signal.set_wakeup_fd(self._waking, warn_on_full_buffer=False)
        self._owner = os.getpid()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if os.getpid() == self._owner:  # a worker has a descriptor of its own for signals
            signal.set_wakeup_fd(self._previous)
        for pipe in (self._told, self._woken, self._waking):
            os.close(pipe)
        self._close_telling()

    def tell(self) -> None:
        """Tell that this worker accepts connections."""
        os.write(self._telling, b"1")

    def wait(self) -> bool:
        """Return true when a worker is ready; false when all have ended, or a signal asks to end.

        The signal is left to its handler.
        """
        self._close_telling()  # then the pipe ends with the workers
        while True:
            readable, _, _ = select.select([self._told, self._woken], [], [])
            if self._told in readable:
                return bool(os.read(self._told, 1))
            if ENDING.intersection(os.read(self._woken, 4096)):
                return False

    def _close_telling(self) -> None:
        if self._telling >= 0:
            os.close(self._telling)
            self._telling = -1

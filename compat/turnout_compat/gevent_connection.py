"""The standard driver on gevent, which a handler may ask for more while it is delivering."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from turnout.messages import BinaryMessage, TextMessage
from turnout.protocol.connection import StandardConnection

if TYPE_CHECKING:
    from turnout.messages import Message
    from turnout.protocol.driver import Event

__all__ = ["GeventConnection"]


class GeventConnection(StandardConnection):
    """Gives the messages of one read to a handler without a switch for each.

    The hub delivers the first by a switch to the handler's greenlet. Until that switches back,
    nothing else runs, so it may take the messages behind it by itself; anything else is the hub's.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._left: tuple[Event | None] | None = None
        self._inflates = self._deflates
        self._deflates = True  # so that each event is asked for by `_next_in_turn`

    def next_message(self) -> Message | None:
        """Return the message behind the one that is being delivered, if it is here."""
        if not self._reading or not self.session.is_open:
            return None
        event = self._next_in_turn()
        if type(event) is TextMessage or type(event) is BinaryMessage:
            return event
        self._left = _NOTHING if event is None else (event,)
        return None

    def resume_reading(self) -> None:
        """Deliver what is left, then let the transport read again."""
        if self._left is _NOTHING:  # there may be something by now
            self._left = None
        super().resume_reading()

    def _next_in_turn(self) -> Event | None:
        if self._left is not None:
            left, self._left = self._left, None
            return left[0]
        return super()._next_in_turn() if self._inflates else self._driver.next_event()


_NOTHING = (None,)

"""The close frame of a WebSocket that daphne serves by itself, with any code and with its reason.

daphne drops the reason, and autobahn lets no application close with a code that it takes for a
server's matter, such as 1009. What both write the frame with has neither rule; it is in reach where
nothing stands between daphne and turnout's application that wraps `send`.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any, TypeAlias

__all__ = ["CloseSender", "daphne_close"]

CloseSender: TypeAlias = Callable[[int, bytes], None]


def daphne_close(send: object) -> CloseSender | None:
    """Return what sends a close frame, its reason in UTF-8, if `send` is daphne's; else None."""
    daphne: Any = sys.modules.get("daphne.ws_protocol")
    if daphne is None or not isinstance(send, functools.partial):
        return None
    for protocol in send.args:
        if isinstance(protocol, daphne.WebSocketProtocol):
            sender: CloseSender = protocol.sendCloseFrame
            return sender
    return None

"""The close frame of a WebSocket that daphne serves by itself, with any code and with its reason.

daphne drops the reason, and autobahn lets no application close with a code that it takes for a
server's matter, such as 1001 or 1011. What both write the frame with has neither rule. It is out of
an application's reach, so daphne's class learns to read one more key of `websocket.close`: whatever
stands between daphne and turnout's application, middleware or a framework's routes, passes that on,
and the events of other applications do not have it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Final

__all__ = ["closing_daphne"]

STATUS: Final = "turnout.status"


def closing_daphne(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return a `websocket.close` that is sent as it says, by daphne too if that runs here."""
    daphne: Any = sys.modules.get("daphne.ws_protocol")
    if daphne is None:
        return dict(event)
    _teach(daphne.WebSocketProtocol)
    return {**event, STATUS: (event["code"], event["reason"].encode())}


def _teach(protocol: Any) -> None:
    """Let the WebSockets of a class of daphne's close as `closing_daphne` says, if they do not."""
    taught = protocol.handle_reply
    if getattr(taught, "knows_statuses", False):
        return

    def handle_reply(self: Any, message: Any) -> None:
        status = message.get(STATUS)
        if status is None or self.state == self.STATE_CONNECTING:
            taught(self, message)
        else:
            self.sendCloseFrame(*status)

    handle_reply.knows_statuses = True  # type: ignore[attr-defined]  # for the next time
    protocol.handle_reply = handle_reply

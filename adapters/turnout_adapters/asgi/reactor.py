"""The end of a server on Twisted, daphne: it has no lifespan, but its reactor waits when asked."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from turnout.service import WebSocketService

__all__ = ["drain_with_reactor"]


def drain_with_reactor(loop: asyncio.AbstractEventLoop, service: WebSocketService) -> None:
    """Have a service drained when the reactor that runs on this loop stops, if one does."""
    reactor: Any = sys.modules.get("twisted.internet.reactor")
    if getattr(reactor, "_asyncioEventloop", None) is not loop:
        return
    from twisted.internet.defer import Deferred

    def drain() -> Deferred[None]:
        return Deferred.fromFuture(asyncio.ensure_future(service.drain()))

    reactor.addSystemEventTrigger("before", "shutdown", drain)

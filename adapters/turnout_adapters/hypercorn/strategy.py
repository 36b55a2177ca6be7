"""The upgrade strategy of hypercorn."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar, Self

from turnout.capabilities import Capabilities
from turnout_adapters.asgi.strategy import AsgiStrategy
from turnout_adapters.hypercorn.settings import BY_TURNOUT, hypercorn_settings
from turnout_compat.native_settings import check_native_settings

if TYPE_CHECKING:
    from turnout.registry import WebSocketHandlerRegistry
    from turnout.serving import ServerSettings

__all__ = ["HypercornStrategy"]


class HypercornStrategy(AsgiStrategy):
    """WebSockets as hypercorn reads and writes them, over HTTP/1.1 and HTTP/2.

    `session.native` is the scope. `configure` takes the settings of `hypercorn.Config`, by its
    names, and `loop_factory` (such as `uvloop.new_event_loop`); they count in `serve` only.
    """

    name: ClassVar[str] = "hypercorn"
    distribution: ClassVar[str | None] = "hypercorn"
    needs_own_server: ClassVar[bool] = True
    capabilities: ClassVar[Capabilities] = Capabilities(partial_messages=False, partial_send=False)

    def __init__(self) -> None:
        self.native_settings: dict[str, Any] = {}

    def configure(self, **native: Any) -> Self:
        """Set what only hypercorn has; raise `ConfigurationError` for what it has not."""
        known = hypercorn_settings() | {"loop_factory"}
        check_native_settings(self.name, native, known, BY_TURNOUT)
        self.native_settings.update(native)
        return self

    def serve(self, registry: WebSocketHandlerRegistry, settings: ServerSettings) -> None:
        """Serve until SIGINT or SIGTERM."""
        from turnout_adapters.hypercorn.server import serve

        with asyncio.Runner(loop_factory=self.native_settings.get("loop_factory")) as runner:
            runner.run(serve(registry, settings, self))

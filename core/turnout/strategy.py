"""What a server plug-in implements: take a decided upgrade and carry it out.

Everything negotiable is decided before `upgrade` is called and handed over as an `Upgrade`; a
strategy writes the 101 and moves messages. It never negotiates.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Self

from turnout.capabilities import Capabilities
from turnout.drive import drive
from turnout.errors import ConfigurationError
from turnout.handshake.negotiated import response_head

if TYPE_CHECKING:
    from turnout.handlers.traits import PreparedHandler
    from turnout.headers import Headers
    from turnout.http import Principal, ServerHttpRequest, ServerHttpResponse
    from turnout.options import WebSocketOptions
    from turnout.protocol.extensions import DeflateParameters, WebSocketExtension
    from turnout.registry import WebSocketHandlerRegistry
    from turnout.runtime import Task
    from turnout.service import WebSocketService
    from turnout.serving import ServerSettings
    from turnout.session.connection import Connection

__all__ = ["RequestUpgradeStrategy", "Upgrade"]


@dataclass(slots=True, kw_only=True, eq=False, repr=False)
class Upgrade:
    """A handshake that core has accepted: all that a strategy and a session need to know.

    `response_headers` is the whole field list of the 101, in order, and empty once a session has
    begun. All of it outlives the request, which the server may recycle once it has answered.
    """

    uri: str
    headers: Headers
    path_variables: Mapping[str, str]
    attributes: dict[str, Any]
    principal: Principal | None
    sub_protocol: str | None
    extensions: tuple[WebSocketExtension, ...]
    deflate: DeflateParameters | None
    response_headers: list[tuple[str, str]]
    handler: PreparedHandler
    options: WebSocketOptions
    service: WebSocketService
    on_upgraded: Callable[[], Awaitable[None]] | None = field(default=None)
    """Awaited when the 101 is on the wire."""
    on_session: Callable[[], None] | None = field(default=None)
    """Called when the session counts by itself."""

    @property
    def response_head(self) -> bytes:
        """The 101 as it goes over the wire, for engines that let us write it."""
        return response_head(self.response_headers)

    async def upgraded(self) -> None:
        """Tell the interceptors that the 101 is on the wire; `run` does, unless it was done."""
        tell, self.on_upgraded = self.on_upgraded, None
        if tell is not None:
            await tell()

    async def run(self, connection: Connection) -> None:
        """Run the session over `connection`, whose 101 is on the wire, until all is over.

        Returns after `after_connection_closed`; handlers' exceptions are dealt with inside.
        """
        if self.on_upgraded is not None:
            await self._tell(connection)
        await self.service.run_session(self, connection)

    def block(self, connection: Connection) -> None:
        """Do what `run` does, blocking the caller.

        For gevent: each coroutine that waits for another is C stack there, which a greenlet keeps
        and every switch copies.
        """
        if self.on_upgraded is not None:
            drive(self._tell(connection))
        self.service.block_for_session(self, connection)

    async def start(self, connection: Connection) -> Task[None]:
        """Do what `run` does in a task of its own; return that task, without waiting for it.

        For servers that have nothing left to do for the request: nothing of it is kept while the
        session lives. What the task ends with has been logged. Called inside the runtime that
        sessions live in: on threads, only `run` is.
        """
        if self.on_upgraded is not None:
            await self._tell(connection)
        try:
            return self.service.start_session(self, connection)
        except BaseException:
            connection.abort()
            raise

    async def _tell(self, connection: Connection) -> None:
        try:
            await self.upgraded()
        except BaseException:  # cancelled: no session will ever end this connection
            connection.abort()
            raise


class RequestUpgradeStrategy(ABC):
    """One way to speak WebSocket on one server.

    Subclass it, set `name`, `runtime` and `capabilities`, implement `upgrade` and `serve`, and
    name the class under the entry-point group `turnout.upgrade_strategies`.
    """

    name: ClassVar[str]
    """The engine's name, as in `turnout serve --engine NAME`."""
    runtime: ClassVar[str]
    """`asyncio`, `gevent` or `threads`."""
    variants: ClassVar[Mapping[str, type[RequestUpgradeStrategy]]] = {}
    """Where an engine has several strategies: `native` and `standard`, the default first."""
    capabilities: ClassVar[Capabilities] = Capabilities()
    supported_versions: ClassVar[tuple[str, ...]] = ("13",)
    distribution: ClassVar[str | None] = None
    """The PyPI name of the server, for versions in reports."""

    def configure(self, **native: Any) -> Self:
        """Set what only this engine has, by the engine's own names; chainable.

        Raises `ConfigurationError` for a name the engine does not have.
        """
        if native:
            raise ConfigurationError(f"the engine {self.name!r} has no native settings")
        return self

    @abstractmethod
    async def upgrade(
        self, request: ServerHttpRequest, response: ServerHttpResponse, upgrade: Upgrade
    ) -> None:
        """Write the 101 with `upgrade.response_headers`, then await `upgrade.run(connection)`.

        Or `upgrade.start(connection)`, where the server needs the request no longer.
        """

    @abstractmethod
    def serve(self, registry: WebSocketHandlerRegistry, settings: ServerSettings) -> None:
        """Serve `registry` until SIGINT or SIGTERM, drain, and return. Blocks.

        Calls `settings.announce(address)` once it listens, and raises `OSError` when it cannot.
        """

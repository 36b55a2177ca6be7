"""How an ASGI host that has turnout's own driver hands a connection over, in place of its events.

Such a host puts itself into the scope of each WebSocket, as an extension. Whatever stands between
it and turnout's application, middleware or a framework's routes, passes the scope on.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Final, Protocol, cast

if TYPE_CHECKING:
    from turnout.session.connection import Connection
    from turnout.strategy import RequestUpgradeStrategy, Upgrade
    from turnout_adapters.asgi.types import Scope

__all__ = ["EXTENSION", "TakeoverHost", "extension_of", "takeover_host"]

EXTENSION: Final = "turnout.takeover"
_HOST: Final = "host"


class TakeoverHost(Protocol):
    """A host that can give its connection away."""

    @property
    @abstractmethod
    def strategy(self) -> RequestUpgradeStrategy:
        """What sessions on its connections can do."""

    @property
    @abstractmethod
    def method(self) -> str:
        """The method of the request, which a WebSocket scope does not tell."""

    @abstractmethod
    def take_over(self, upgrade: Upgrade) -> Connection:
        """Write the 101 and return the connection; raise `ConnectionClosed` if there is none."""


def extension_of(host: TakeoverHost) -> dict[str, object]:
    """Return what a host puts into `scope["extensions"]` under the name `EXTENSION`."""
    return {_HOST: host}


def takeover_host(scope: Scope) -> TakeoverHost | None:
    """Return the host that offers its connection in this scope, or None."""
    extension = (scope.get("extensions") or {}).get(EXTENSION)
    return None if extension is None else cast("TakeoverHost", extension[_HOST])

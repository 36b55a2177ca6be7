"""What a server of its own needs to know to listen, the same for every engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from turnout.errors import ConfigurationError
from turnout.http.request import Address

__all__ = ["ServerSettings"]


def _ignore(address: Address) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """Where to listen: a host and port (0 picks a free one), or the path of a Unix socket.

    `tls_cert` and `tls_key` are PEM files; the key may stand in the certificate's file.
    `announce` is called with the bound address once connections are accepted.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    unix: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    backlog: int = 2048
    announce: Callable[[Address], object] = _ignore

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ConfigurationError(f"port takes 0 to 65535, not {self.port}")
        if self.tls_key is not None and self.tls_cert is None:
            raise ConfigurationError("a TLS key needs its certificate: set tls_cert too")

    @property
    def scheme(self) -> str:
        """`wss` with TLS, else `ws`."""
        return "ws" if self.tls_cert is None else "wss"

    def url(self, address: Address) -> str:
        """Return the URL (or `unix:` path) of a bound address."""
        if isinstance(address, str):
            return f"unix:{address}"
        host = f"[{address[0]}]" if ":" in address[0] else address[0]
        return f"{self.scheme}://{host}:{address[1]}"

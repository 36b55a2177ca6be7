"""Serve a registry on a server of its own: the same few settings for every engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Final

from turnout.errors import ConfigurationError
from turnout.http.request import Address

if TYPE_CHECKING:
    from pathlib import Path

    from turnout.registry import WebSocketHandlerRegistry
    from turnout.strategy import RequestUpgradeStrategy

__all__ = ["ServerSettings", "keep_freed_memory", "serve"]


LARGE_BLOCK: Final = 4 * 1024 * 1024
"""glibc keeps twice as much as the largest block that was freed."""


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


def serve(  # noqa: PLR0913  # each is a setting of its own, and named by the caller
    registry: WebSocketHandlerRegistry,
    engine: str | RequestUpgradeStrategy = "wsproto",
    strategy: str | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    unix: str | PathLike[str] | None = None,
    tls_cert: str | PathLike[str] | None = None,
    tls_key: str | PathLike[str] | None = None,
    backlog: int = 2048,
    announce: Callable[[Address], object] = _ignore,
) -> None:
    """Serve `registry` until SIGINT or SIGTERM, close every session with 1001, and return.

    It blocks: call it in the main thread, and not inside an event loop, where one mounts instead.
    `engine` is a name, as `turnout engines` lists them, or a strategy that has been configured;
    `strategy` is `native` or `standard` where the named engine has both. The rest is as in
    `ServerSettings`. Raises `EngineError` for an engine that cannot be used, `ConfigurationError`
    for settings or options that it cannot honour, and `OSError` when it cannot listen.
    """
    settings = ServerSettings(
        host=host,
        port=port,
        unix=_path(unix),
        tls_cert=_path(tls_cert),
        tls_key=_path(tls_key),
        backlog=backlog,
        announce=announce,
    )
    keep_freed_memory()
    _strategy_of(engine, strategy).serve(registry, settings)


def keep_freed_memory() -> None:
    """Let glibc keep what large messages have freed, up to 8 MiB, for the next of them.

    It learns that from the first large block that is freed. Before that it gives back all beyond
    128 KiB, and each message of this size comes page by page from the kernel: one of 1 MiB then
    takes several times as long. Other allocators take no notice.
    """
    block = bytes(LARGE_BLOCK)  # never written to, so it takes no memory
    del block


def _strategy_of(
    engine: str | RequestUpgradeStrategy, variant: str | None
) -> RequestUpgradeStrategy:
    if isinstance(engine, str):
        from turnout.plugins import create

        return create(engine, variant)
    if isinstance(engine, type):
        raise ConfigurationError(f"give a strategy, not its class: {engine.__qualname__}()")
    if variant is not None:
        raise ConfigurationError(f"{engine!r} is a strategy already; leave {variant!r} out")
    return engine


def _path(value: str | PathLike[str] | None) -> Path | None:
    from pathlib import Path

    return None if value is None else Path(value)

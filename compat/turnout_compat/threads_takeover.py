"""How a thread of a server hands the socket of its connection over, and runs a session instead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from turnout.protocol.connection import StandardConnection
from turnout_compat.threads_hosts import serve_from_here
from turnout_compat.threads_io import IoRuntime
from turnout_compat.threads_transport import transport_over

if TYPE_CHECKING:
    from turnout.strategy import Upgrade
    from turnout_compat.threads_transport import LoopTransport

__all__ = ["serve_session"]


def serve_session(
    upgrade: Upgrade, sock: Any, *, native: Any = None, early_bytes: bytes = b""
) -> None:
    """Run a session on a socket whose 101 is sent; returns when session and handler are over.

    The handler runs in the calling thread. Then the socket is shut down, and not closed.
    """
    io = IoRuntime.shared().start()
    transport = transport_over(sock, io.loop, native)
    serve_from_here(_serve(upgrade, transport, early_bytes), io.loop)


async def _serve(upgrade: Upgrade, transport: LoopTransport, early_bytes: bytes) -> None:
    connection = StandardConnection(
        transport,
        upgrade.options,
        upgrade.deflate,
        partial=upgrade.handler.partial,
        early_data=early_bytes,
    )
    transport.begin(connection)
    try:
        await upgrade.run(connection)
    finally:
        transport.release()

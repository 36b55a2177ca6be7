"""The transport over TLS on gevent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gevent import ssl

from turnout_compat.gevent_transport import GeventTransport
from turnout_compat.socket_transport import TlsMixin

if TYPE_CHECKING:
    from turnout_compat.gevent_runtime import GeventRuntime

__all__ = ["TlsTransport", "transport_over"]


def transport_over(sock: Any, runtime: GeventRuntime, native: Any = None) -> GeventTransport:
    """Return the transport for a socket that nobody else reads or writes from now on."""
    kind = TlsTransport if isinstance(sock, ssl.SSLSocket) else GeventTransport
    return kind(sock, runtime, native)


class TlsTransport(TlsMixin, GeventTransport):
    """Reads and writes a TLS socket in the hub."""

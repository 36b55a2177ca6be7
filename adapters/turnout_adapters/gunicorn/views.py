"""The view of a request on gunicorn's workers, and the application that ends with its worker."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Self

from turnout_adapters.gunicorn.ending import WorkerEnd
from turnout_adapters.wsgi import Environ, StartResponse, WsgiRequest
from turnout_compat.socket_transport import address_from

if TYPE_CHECKING:
    from turnout.http import Address
    from turnout.service import WebSocketService
    from turnout_adapters.gunicorn.exchange import Exchange

__all__ = ["EndsWithWorker", "ExchangeRequest"]


class ExchangeRequest(WsgiRequest):
    """A request that a worker of gunicorn's has read."""

    exchange: Exchange
    tls_socket_class: ClassVar[type[Any]] = ssl.SSLSocket

    @property
    def socket(self) -> Any:
        """The socket of the connection."""
        return self.exchange.socket

    @property
    def scheme(self) -> str:
        """`https` on a server with TLS, whatever a forwarded field made of the environ's."""
        return "https" if isinstance(self.socket, self.tls_socket_class) else "http"

    @property
    def sent_target(self) -> str | None:
        """The request target as sent."""
        return self.exchange.target

    @property
    def sent_fields(self) -> Iterable[tuple[str, str]] | None:
        """The header fields as sent, but for the case of their names."""
        return self.exchange.fields

    @property
    def remote_address(self) -> Address | None:
        """The peer of the socket, or whom a PROXY protocol that gunicorn is to speak names."""
        if "PROXY_PROTOCOL" in self.native:
            return super().remote_address
        return address_from(self.socket.getpeername)

    @property
    def local_address(self) -> Address | None:
        """This end of the socket."""
        return address_from(self.socket.getsockname)

    def read_piece(self, size: int, taken: int) -> bytes:
        """Return some bytes of the body, none at its end."""
        return self.exchange.read_body(size)


class EndsWithWorker:
    """Mixed in front of an application: it drains its sessions when gunicorn's worker ends.

    It does so once `drain_with_worker` was called.
    """

    runtime: Any
    service: WebSocketService
    _waits_for_worker = False

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request; returns when its session, if it became one, is over."""
        if self._waits_for_worker:
            self.drain_with_worker()
        answer: Iterable[bytes] = super().__call__(environ, start_response)  # type: ignore[misc]  # the application's
        return answer

    def drain_with_worker(self) -> Self:
        """Have the sessions closed when the worker ends; chainable.

        Called before there is one (`--preload`), it is done by the first request.
        """
        end = WorkerEnd.of_this_process()
        self._waits_for_worker = end is None
        if end is not None:
            end.on_end(lambda: self.runtime.spawn(self.service.drain(), name="turnout-drain"))
        return self

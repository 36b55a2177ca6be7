"""What the WSGI servers on threads have in common: a session has the thread of its request.

The handler runs there, so the server's bookkeeping of the request spans the session, and its thread
is taken for as long. The socket is the I/O thread's meanwhile (`turnout_compat.threads_io`).
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import threading
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, ClassVar, Self
from weakref import ref

from turnout.close import NO_CLOSE_FRAME
from turnout.drive import drive
from turnout.errors import ConfigurationError, ConnectionClosed, HandshakeRefused
from turnout.handshake.refusal import refuse
from turnout.strategy import RequestUpgradeStrategy, Upgrade
from turnout_adapters.wsgi import (
    Environ,
    RegistryApplication,
    StartResponse,
    WsgiApplication,
    WsgiRequest,
    WsgiResponse,
)
from turnout_compat.socket_transport import address_from
from turnout_compat.threads_io import IoRuntime
from turnout_compat.threads_runtime import ThreadsRuntime
from turnout_compat.threads_takeover import serve_session
from turnout_compat.threads_transport import ThreadHangupWatch

if TYPE_CHECKING:
    from turnout.http import Address, ServerHttpRequest, ServerHttpResponse
    from turnout.registry import WebSocketHandlerRegistry

__all__ = [
    "ConnectionIsOver",
    "ThreadedWsgiApplication",
    "ThreadedWsgiRequest",
    "ThreadedWsgiResponse",
    "ThreadedWsgiStrategy",
    "read_early",
]


class ThreadedWsgiRequest(WsgiRequest):
    """A request whose socket can be had; `start_response` leads to what an environ has lost."""

    def __init__(self, environ: Environ, start_response: StartResponse) -> None:
        super().__init__(environ)
        self.start_response = start_response

    @property
    @abstractmethod
    def socket(self) -> Any:
        """The socket of the connection."""

    @property
    @abstractmethod
    def early_bytes(self) -> bytes:
        """What the server has read behind the request."""

    @property
    def sent_target(self) -> str | None:
        """The request target as sent."""
        return self.native.get("RAW_URI") or self.native.get("REQUEST_URI")

    def read_piece(self, size: int, taken: int) -> bytes:
        """Return some bytes of the body, none at its end."""
        try:
            return super().read_piece(size, taken)
        except OSError as error:
            if isinstance(error.errno, int):  # the system's; else the server complains about chunks
                raise ConnectionClosed(NO_CLOSE_FRAME) from error
            raise HandshakeRefused(400, body="The request body is malformed.") from error

    @property
    def remote_address(self) -> Address | None:
        """The peer of the socket."""
        return address_from(self.socket.getpeername)

    @property
    def local_address(self) -> Address | None:
        """This end of the socket."""
        return address_from(self.socket.getsockname)


def read_early(reader: Any, sock: Any) -> bytes:
    """Return what a buffered reader holds, or what has come by now; the socket blocks no more."""
    sock.settimeout(0.0)
    with contextlib.suppress(OSError):  # TLS may have nothing, or the client has gone
        early: bytes | None = reader.read1()
        return early or b""
    return b""


class ConnectionIsOver(BrokenPipeError):
    """Has a server end a connection as if its client had gone, with nothing more written.

    Every server in this house lets such a client go in silence. `status` is 101 behind a session.
    """

    def __init__(self, status: int | None) -> None:
        super().__init__(errno.EPIPE, "the connection is over")
        self.status = status


class ThreadedWsgiResponse(WsgiResponse[ThreadedWsgiRequest]):
    """A response in whose place a session can be served; writing blocks the thread."""

    def __init__(
        self, request: ThreadedWsgiRequest, start_response: StartResponse, runtime: ThreadsRuntime
    ) -> None:
        super().__init__(request, start_response, runtime)
        self.is_over = False
        """True when the server must write nothing more."""
        self.sent_status: int | None = None

    def watch_hangup(self, on_hangup: Callable[[], object]) -> ThreadHangupWatch:
        """Return a watch in the I/O thread."""
        return ThreadHangupWatch(self.request.socket, IoRuntime.shared().start(), on_hangup)

    def switch(self, upgrade: Upgrade) -> None:
        """Write the 101; the server only makes a note of it."""
        self.started = self.is_over = True
        self.sent_status = 101
        self.start_response("101 Switching Protocols", list(upgrade.response_headers))
        with contextlib.suppress(OSError):  # the client has gone: the transport finds the same
            self.request.socket.sendall(upgrade.response_head)

    def abandon(self) -> None:
        """Have the server end the connection, with nothing more written."""
        self.is_over = True

    def rest(self) -> Iterable[bytes]:
        """Return what the server is given for a body."""
        return self.nothing_more() if self.is_over else ()

    def nothing_more(self) -> Iterable[bytes]:
        """Raise `ConnectionIsOver` when the server asks for the body."""
        raise ConnectionIsOver(self.sent_status)
        yield b""  # makes this a generator, which runs when the server is ready for it


class ThreadedWsgiStrategy(RequestUpgradeStrategy):
    """The standard driver on the socket of a request that a thread of the server answers."""

    runtime: ClassVar[str] = "threads"

    def __init__(self) -> None:
        self.native_settings: dict[str, Any] = {}
        self.reserved_threads = 1
        """How many threads of a pool no session gets."""
        self._places = _Places()

    def take_reserved_threads(self, native: dict[str, Any]) -> dict[str, Any]:
        """Return settings without `reserved_threads`, which is turnout's own for every pool."""
        reserved = native.get("reserved_threads", self.reserved_threads)
        if type(reserved) is not int or reserved < 0:
            raise ConfigurationError(f"reserved_threads takes a number from 0, not {reserved!r}")
        self.reserved_threads = reserved
        return {name: value for name, value in native.items() if name != "reserved_threads"}

    @abstractmethod
    def threads_of(self, request: ThreadedWsgiRequest) -> int | None:
        """Return how many threads of the server sessions may have; None for any number."""

    async def upgrade(
        self, request: ServerHttpRequest, response: ServerHttpResponse, upgrade: Upgrade
    ) -> None:
        """Write the 101, give the socket to the standard driver and the thread to the handler."""
        assert isinstance(request, ThreadedWsgiRequest)
        assert isinstance(response, ThreadedWsgiResponse)
        with self._places.take(self.threads_of(request)) as is_free:
            if not is_free:
                refuse(503, "The server has no thread left for another WebSocket.")
            early = request.early_bytes
            response.switch(upgrade)
            await upgrade.upgraded()
            native = self.native_of(request)
            serve_session(upgrade, request.socket, native=native, early_bytes=early)

    def native_of(self, request: ThreadedWsgiRequest) -> Any:
        """Return what becomes `session.native`."""
        return request.socket


class _Places:
    """How many threads sessions have taken, those included whose handlers have outlived them."""

    def __init__(self) -> None:
        self._taken = 0
        self._changing = threading.Lock()

    @contextlib.contextmanager
    def take(self, limit: int | None) -> Iterator[bool]:
        """Take one within the block, and tell whether there was one to take."""
        with self._changing:
            is_free = limit is None or self._taken < limit
            self._taken += is_free
        try:
            yield is_free
        finally:
            with self._changing:
                self._taken -= is_free


class ThreadedWsgiApplication(RegistryApplication[ThreadsRuntime]):
    """A WSGI application that serves a registry on threads, and leaves other requests to `app`.

    `service` holds the sessions. Call `drain` when the server stops.
    """

    request_class: ClassVar[type[ThreadedWsgiRequest]]
    response_class: ClassVar[type[ThreadedWsgiResponse]] = ThreadedWsgiResponse

    def __init__(
        self,
        registry: WebSocketHandlerRegistry,
        strategy: ThreadedWsgiStrategy,
        app: WsgiApplication | None = None,
    ) -> None:
        super().__init__(registry, strategy, app, ThreadsRuntime.shared())

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request; returns when its session, if it became one, is over."""
        request = self.request_class(environ, start_response)
        if self._app is not None and not self.takes(request):
            return self._app(environ, start_response)
        response = self.response_class(request, start_response, self.runtime)
        # A context of its own: the thread serves other requests afterwards.
        copy_context().run(drive, self._answer(request, response))
        return response.rest()

    async def _answer(self, request: WsgiRequest, response: WsgiResponse[Any]) -> None:
        try:
            await super()._answer(request, response)
        except Exception:
            if not response.started:
                raise
            response.abandon()  # it has been logged, and the client must not take it for whole

    def drain_at_exit(self) -> Self:
        """Have the sessions that are open when the process ends closed then; chainable."""
        atexit.register(_drain, ref(self))
        return self


def _drain(application: ref[ThreadedWsgiApplication]) -> None:
    found = application()
    if found is not None and not found.service.is_idle:
        found.drain()

"""hypercorn's two HTTP protocols, with guarded WebSockets and handshakes that are left to turnout.

hypercorn answers a broken handshake by an empty 400, or switches to h2c in the middle of one, takes
every CONNECT of HTTP/2 for a WebSocket, and does not tell which protocol an extended one asks for.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import hypercorn.protocol
import hypercorn.protocol.h2
import hypercorn.protocol.h11
from hypercorn.events import Closed
from hypercorn.protocol.events import Request
from hypercorn.protocol.h2 import H2Protocol
from hypercorn.protocol.h11 import STREAM_ID, H11Protocol
from hypercorn.protocol.http_stream import HTTPStream

from turnout_adapters.asgi.handshake import is_handshake
from turnout_compat.hypercorn_buffers import BoundedBuffer
from turnout_compat.hypercorn_frames import GuardedStream

if TYPE_CHECKING:
    from turnout.registry import WebSocketHandlerRegistry

__all__ = ["guarded_protocols"]

SEND = 7
"""The place of a stream's `send` among the arguments of its class."""


@contextlib.contextmanager
def guarded_protocols(registry: WebSocketHandlerRegistry) -> Iterator[None]:
    """Make every connection that hypercorn serves within the block a guarded one.

    hypercorn names its classes where it makes them, and takes no others: so the names are changed.
    """

    class Http1(_GuardedH11):
        handlers = registry

    names: list[tuple[Any, str, Any]] = [
        (hypercorn.protocol, "H11Protocol", Http1),
        (hypercorn.protocol, "H2Protocol", _GuardedH2),
        (hypercorn.protocol.h11, "WSStream", GuardedStream),
        (hypercorn.protocol.h2, "WSStream", _stream_of_connect),
        (hypercorn.protocol.h2, "StreamBuffer", BoundedBuffer),
    ]
    with contextlib.ExitStack() as changed:
        for module, name, ours in names:
            changed.callback(setattr, module, name, getattr(module, name))
            setattr(module, name, ours)
        yield


class _GuardedH11(H11Protocol):
    handlers: WebSocketHandlerRegistry

    async def _create_stream(self, request: Any) -> None:
        if b"upgrade" in dict(request.headers) and not self._is_handshake(request):
            await self._create_http_stream(request)
        else:
            await super()._create_stream(request)

    async def _check_protocol(self, event: Any) -> None:
        # RFC 9113 section 3.1 has withdrawn the upgrade to h2c; HTTP/2 begins by prior knowledge.
        if dict(event.headers).get(b"upgrade", b"").lower() != b"h2c":
            await super()._check_protocol(event)

    def _is_handshake(self, request: Any) -> bool:
        scope = {
            "type": "http",
            "method": request.method.decode("ascii"),
            "http_version": request.http_version.decode("ascii"),
            "raw_path": request.target.partition(b"?")[0],
            "root_path": self.config.root_path,
            "headers": list(request.headers),
        }
        return is_handshake(scope, self.handlers)

    async def _create_http_stream(self, request: Any) -> None:
        """Do what hypercorn does with a request that does not ask for a WebSocket."""
        self.stream = HTTPStream(
            self.app,
            self.config,
            self.context,
            self.task_group,
            self.ssl,
            self.client,
            self.server,
            self.stream_send,
            STREAM_ID,
        )
        await self.stream.handle(
            Request(
                stream_id=STREAM_ID,
                headers=list(request.headers),
                http_version=request.http_version.decode(),
                method=request.method.decode("ascii").upper(),
                raw_path=request.target,
                state=self.connection_state,
            )
        )
        self.keep_alive_requests += 1
        await self.context.mark_request()


class _GuardedH2(H2Protocol):
    asked_for: bytes | None = None
    """The `:protocol` of the request whose stream is being made."""

    async def handle(self, event: Any) -> None:
        """Take an event of the connection; at its end, nobody waits to write any more."""
        await super().handle(event)
        if isinstance(event, Closed):
            for stream_id in list(self.stream_buffers):
                await self.forget_unsent(stream_id)

    async def forget_unsent(self, stream_id: int) -> None:
        """Drop what waits on a stream that is over, and let go on who waits to write to it.

        Its reset goes out at once: hypercorn would keep it until another stream is written to.
        """
        buffer = self.stream_buffers.get(stream_id)  # none once all was sent, and the end behind it
        if buffer is not None:
            await buffer.close()
        await self._flush()

    async def _create_stream(self, request: Any) -> None:
        self.asked_for = dict(request.headers).get(b":protocol")
        await super()._create_stream(request)


def _stream_of_connect(*args: Any, **kwargs: Any) -> GuardedStream | HTTPStream:
    """Return what serves a CONNECT of HTTP/2; called where hypercorn would make its `WSStream`."""
    send = kwargs.get("send", args[SEND])
    is_websocket = send.__self__.asked_for == b"websocket"
    return (GuardedStream if is_websocket else HTTPStream)(*args, **kwargs)

"""aiohttp's `WebSocketResponse` without aiohttp's HTTP protocol around it.

`DetachedWebSocket` hands aiohttp a request in which everything has been decided, so that its own
handshake can neither refuse nor add anything, and stand-ins for the protocol and the transport: so
its reader gets bytes when we say so, and its writer gives us bytes in place of sending them. Both
then complete at once. Back-pressure is ours, and so is the shutdown, during which aiohttp's HTTP
protocol drops what peers send.

What of aiohttp this relies on that it does not document: `web.BaseRequest` and `RawRequestMessage`
as its own server makes them; of the protocol, what `_Protocol` below has; and the `_reader` and the
`_writer` of a response, because its `receive` and `close` would end the connection by themselves.
The tests beside the adapter hold all of it, on the newest version and on the oldest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import HttpVersion11, RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD
from multidict import CIMultiDict, CIMultiDictProxy

__all__ = ["DetachedWebSocket"]

ANY_KEY = "AAAAAAAAAAAAAAAAAAAAAA=="
"""The real one was answered in the 101 that is on the wire."""


class DetachedWebSocket:
    """A prepared `WebSocketResponse`, the feeding end of its reader, and the bytes it writes."""

    __slots__ = ("error", "feed", "read", "response", "send_frame", "take")

    def __init__(self, response: web.WebSocketResponse, protocol: _Protocol, wire: _Wire) -> None:
        reader, writer = response._reader, response._writer  # noqa: SLF001  # see the module
        assert reader is not None
        assert writer is not None
        self.response = response
        self.read = reader.read
        """Return the next message, once `feed` has completed it; done at the first step."""
        self.send_frame = writer.send_frame
        """Write a whole message or a control frame; done at the first step."""
        self.error = reader.exception
        """Return what aiohttp's reader found wrong, or None."""
        self.feed: Callable[[bytes], tuple[bool, bytes]] = protocol.parser.feed_data
        """Let aiohttp read bytes; the first value is true when `error` has something to tell."""
        self.take = wire.take
        """Return what aiohttp has written since the last call."""

    @classmethod
    async def prepare(
        cls,
        response: web.WebSocketResponse,
        native: web.BaseRequest,
        transport: asyncio.Transport,
        sub_protocol: str | None,
        loop: asyncio.AbstractEventLoop,
    ) -> DetachedWebSocket:
        """Bring `response` into the state that it has after its 101, which it does not write.

        Completes at the first step, and in any thread.
        """
        wire = _Wire(transport)
        protocol = _Protocol(wire)
        request = web.BaseRequest(
            _decided(native, sub_protocol),
            EMPTY_PAYLOAD,
            cast("Any", protocol),
            _Nowhere(),
            cast("Any", None),  # the task, of which it is to be cancelled
            loop,
        )
        await response.prepare(request)
        return cls(response, protocol, wire)


def _decided(native: web.BaseRequest, sub_protocol: str | None) -> RawRequestMessage:
    """Return the request that aiohttp's own handshake answers with exactly our decisions."""
    fields = CIMultiDict(
        {
            "Upgrade": "websocket",
            "Connection": "upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": ANY_KEY,
        }
    )
    if sub_protocol is not None:
        fields["Sec-WebSocket-Protocol"] = sub_protocol
    url = native.rel_url
    return RawRequestMessage(
        "GET", native.raw_path, HttpVersion11, CIMultiDictProxy(fields), (), False, None, True,
        False, url,
    )  # fmt: skip


class _Protocol:
    """The protocol as a `WebSocketResponse` sees it."""

    _paused = False
    """Its writer must never wait: the session holds messages back by itself."""
    _reading_paused = False
    """Its queue is emptied after each message, so it never has to hold the peer back."""
    _upgraded = True

    __slots__ = ("parser", "peername", "sockname", "ssl_context", "transport")

    def __init__(self, wire: _Wire) -> None:
        self.transport = wire
        self.ssl_context = wire.get_extra_info("sslcontext")
        self.peername = wire.get_extra_info("peername")
        self.sockname = wire.get_extra_info("sockname")
        self.parser: Any = None

    def set_parser(self, parser: Any, *_: Any, **__: Any) -> None:
        """Keep the reader; no callback is given, as the heartbeat is off."""
        self.parser = parser

    def keep_alive(self, value: bool) -> None:
        """Nothing to do: the takeover has told aiohttp's own protocol."""

    def pause_reading(self) -> None:
        """Nothing to do: one large message is no reason to stop."""

    def resume_reading(self, *_: Any) -> None:
        """Nothing to do."""

    async def _drain_helper(self) -> None:
        """Return at once."""


class _Wire:
    """A transport that keeps what is written to it until it is taken."""

    __slots__ = ("_transport", "_written")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._written: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Keep bytes."""
        self._written.append(data)

    def take(self) -> bytes:
        """Return what was written."""
        written = self._written
        data = bytes(written[0]) if len(written) == 1 else b"".join(written)
        written.clear()
        return data

    def is_closing(self) -> bool:
        """Never: what is written after the end is dropped by the connection."""
        return False

    def close(self) -> None:
        """Nothing to do: the session ends the connection."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Tell what the real transport knows."""
        return self._transport.get_extra_info(name, default)


class _Nowhere(AbstractStreamWriter):
    """Where aiohttp writes its 101: ours is on the wire already."""

    async def write(self, chunk: bytes | bytearray | memoryview) -> None:
        """Write nothing."""

    async def write_eof(self, chunk: bytes = b"") -> None:
        """Write nothing."""

    async def drain(self) -> None:
        """Wait for nothing."""

    def enable_compression(self, encoding: str = "deflate", strategy: int | None = None) -> None:
        """Compress nothing."""

    def enable_chunking(self) -> None:
        """Frame nothing."""

    async def write_headers(self, status_line: str, headers: CIMultiDict[str]) -> None:
        """Write nothing."""

"""The request that uvicorn hands over, and the scope of it, with the offer to take it over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import unquote

from uvicorn.protocols.utils import get_local_addr, get_remote_addr, is_ssl

from turnout_adapters.asgi.takeover import EXTENSION, extension_of

if TYPE_CHECKING:
    from uvicorn.config import Config

    from turnout_adapters.asgi.types import Scope
    from turnout_adapters.uvicorn.protocol import WebSocketProtocol
    from turnout_adapters.wsproto.views import H11Request

__all__ = ["RequestHead", "websocket_scope"]

SPEC_VERSION = "2.4"
"""What a send on a lost connection raises is from 2.4 on an `OSError`."""


class RawFields(list[tuple[bytes, bytes]]):
    """Header fields."""

    def raw_items(self) -> list[tuple[bytes, bytes]]:
        """Return them as they were sent: what `H11Request` asks h11's own for."""
        return self


@dataclass(frozen=True, slots=True)
class RequestHead:
    """The head of a request: what `H11Request` reads of h11's event."""

    method: bytes
    target: bytes
    http_version: bytes
    headers: RawFields

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Parse what uvicorn has parsed before, and written down in one shape."""
        first, *fields = data.removesuffix(b"\r\n\r\n").split(b"\r\n")
        method, _, rest = first.partition(b" ")
        target, _, version = rest.rpartition(b" HTTP/")
        pairs = (field.partition(b": ") for field in fields)
        return cls(method, target, version, RawFields((name, value) for name, _, value in pairs))


def websocket_scope(
    host: WebSocketProtocol, request: H11Request, config: Config, app_state: dict[str, Any]
) -> Scope:
    """Return the scope of a request that asks for a WebSocket."""
    transport, root = host.transport, config.root_path
    return {
        "type": "websocket",
        "asgi": {"version": config.asgi_version, "spec_version": SPEC_VERSION},
        "http_version": request.http_version,
        "scheme": "wss" if is_ssl(transport) else "ws",
        "server": get_local_addr(transport),
        "client": get_remote_addr(transport),
        "root_path": root,
        "path": root + unquote(request.raw_path),
        "raw_path": (root + request.raw_path).encode("latin-1"),
        "query_string": request.query_string.encode("latin-1"),
        "headers": _fields(request),
        "subprotocols": request.headers.get_list("sec-websocket-protocol"),
        "state": app_state.copy(),
        "extensions": {"websocket.http.response": {}, EXTENSION: extension_of(host)},
    }


def _fields(request: H11Request) -> list[tuple[bytes, bytes]]:
    fields = request.headers.fields()
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in fields]

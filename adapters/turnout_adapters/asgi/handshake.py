"""Whether a request is an opening handshake, for hosts that would answer a broken one themselves.

A host that makes a WebSocket of every request with `Upgrade: websocket` refuses what it finds wrong
with it in its own words, or does not look. A request that is no handshake can stay one of HTTP:
then turnout answers it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast
from urllib.parse import unquote

from turnout.errors import HandshakeRefused
from turnout.handshake.handler import HandshakeHandler
from turnout.protocol.extensions import InvalidExtensionsError, parse_extensions
from turnout_adapters.asgi.receiver import Receiver
from turnout_adapters.asgi.request import AsgiRequest

if TYPE_CHECKING:
    from turnout.handshake.origins import OriginPolicy
    from turnout.http import ServerHttpRequest
    from turnout.registry import WebSocketHandlerRegistry
    from turnout_adapters.asgi.types import Scope

__all__ = ["is_handshake"]

VERSIONS = ("13",)


def is_handshake(scope: Scope, registry: WebSocketHandlerRegistry) -> bool:
    """Tell from its HTTP scope whether a request is a handshake with a handler that is registered.

    Its origin may still be wrong. The scope may be an early one, which has a raw path only.
    """
    if "path" not in scope:
        scope = {**scope, "path": unquote(scope["raw_path"])}
    request = AsgiRequest(scope, Receiver.unused())
    return registry.find(request.raw_path) is not None and _CHECKS.pass_for(request)


class _Checks(HandshakeHandler):
    def pass_for(self, request: ServerHttpRequest) -> bool:
        try:
            self._check_in_order(request, VERSIONS, cast("OriginPolicy", None))
            # wsproto keeps these to itself, so they must be in order before it gets them.
            parse_extensions(request.headers.get_all("sec-websocket-extensions"))
        except (HandshakeRefused, InvalidExtensionsError):
            return False
        return True

    def check_origin(self, request: ServerHttpRequest, origins: OriginPolicy) -> None:
        """Leave one origin to the policy of its handler; several are allowed by none."""
        if len(request.headers.get_all("origin")) > 1:
            raise HandshakeRefused(403)


_CHECKS = _Checks()

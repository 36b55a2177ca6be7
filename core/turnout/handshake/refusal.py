"""How a refusal is made and logged: one plain sentence to the client, one line to the log."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, NoReturn

from turnout.errors import HandshakeRefused
from turnout.handshake.redaction import printable, redact

if TYPE_CHECKING:
    from turnout.http import ServerHttpRequest

__all__ = ["describe_request", "log_refusal", "refuse"]

log = logging.getLogger("turnout.handshake")

PLAIN_TEXT = ("Content-Type", "text/plain; charset=utf-8")


def refuse(
    request: ServerHttpRequest,
    status: int,
    sentence: str,
    *,
    headers: Iterable[tuple[str, str]] = (),
    detail: str = "",
    level: int = logging.INFO,
) -> NoReturn:
    """Log the refusal and raise it; the client reads `sentence` only, the log `detail` if given."""
    refused = HandshakeRefused(status, [PLAIN_TEXT, *headers], sentence)
    log_refusal(request, refused, detail or sentence, level)
    raise refused


def log_refusal(
    request: ServerHttpRequest,
    refused: HandshakeRefused,
    detail: str,
    level: int = logging.INFO,
) -> None:
    """Log one line; `detail` must be free of secrets and line breaks already."""
    log.log(level, "handshake refused with %d: %s (%s)", refused.status, detail, _Lazy(request))


def describe_request(request: ServerHttpRequest) -> str:
    """Return method, redacted target and peer of a request, fit for one line of a log."""
    method, target = printable(request.method, 20), printable(redact(request.target))
    return f"{method} {target} from {_describe_address(request.remote_address)}"


def _describe_address(address: tuple[str, int] | str | None) -> str:
    if isinstance(address, tuple):
        return f"[{address[0]}]:{address[1]}" if ":" in address[0] else f"{address[0]}:{address[1]}"
    return f"unix:{printable(address)}" if address else "an unnamed peer"


class _Lazy:
    """Describes the request only if some handler really writes the line."""

    __slots__ = ("_request",)

    def __init__(self, request: ServerHttpRequest) -> None:
        self._request = request

    def __str__(self) -> str:
        return describe_request(self._request)

"""How a refusal is made and logged: one plain sentence to the client, one line to the log."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from turnout.errors import HandshakeRefused
from turnout.handshake.redaction import printable, redact

if TYPE_CHECKING:
    from turnout.http import ServerHttpRequest

__all__ = ["describe_request", "log_refusal", "logged_refusal", "refuse"]

log: logging.Logger = logging.getLogger("turnout.handshake")

PLAIN_TEXT = ("Content-Type", "text/plain; charset=utf-8")


def refuse(
    status: int, sentence: str, *, headers: Iterable[tuple[str, str]] = (), detail: str = ""
) -> NoReturn:
    """Raise a refusal; the client reads `sentence`, the log also `detail`, kept as a note."""
    refused = HandshakeRefused(status, [PLAIN_TEXT, *headers], sentence)
    refused.add_note(detail or sentence)
    raise refused


def log_refusal(request: ServerHttpRequest, refused: HandshakeRefused, by: str) -> None:
    """Log one line: a warning for 403, as a forbidden origin or user may be a wrong setting."""
    level = logging.WARNING if refused.status == 403 else logging.INFO
    reason = ": ".join([by, *getattr(refused, "__notes__", ())])
    log.log(level, "handshake refused with %d by %s (%s)", refused.status, reason, _Lazy(request))


@contextmanager
def logged_refusal(request: ServerHttpRequest, by: str) -> Iterator[None]:
    """Log a refusal that leaves the body, whoever raised it there."""
    try:
        yield
    except HandshakeRefused as refused:
        log_refusal(request, refused, by)
        raise


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

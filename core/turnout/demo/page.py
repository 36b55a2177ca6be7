"""The page of the demo, answered over plain HTTP by the server that also has the WebSockets."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from turnout.http import ServerHttpRequest, ServerHttpResponse

__all__ = ["Page"]


class Page:
    """A plain HTTP handler for one self-contained HTML file of this package.

    Its security policy allows what the file itself holds, by hash, a connection to its own origin,
    and nothing else. Browsers ask whether it has changed (`ETag`), and are told 304 if it has not.
    """

    def __init__(self, name: str) -> None:
        self.body: bytes = Path(__file__).with_name(name).read_bytes()
        self.tag: str = f'"{hashlib.sha256(self.body).hexdigest()[:16]}"'
        self.fields: list[tuple[str, str]] = [
            ("Cache-Control", "no-cache"),
            ("Content-Security-Policy", _policy(self.body)),
            ("Cross-Origin-Opener-Policy", "same-origin"),
            ("ETag", self.tag),
            ("Referrer-Policy", "no-referrer"),
            ("X-Content-Type-Options", "nosniff"),
        ]

    async def handle(self, request: ServerHttpRequest, response: ServerHttpResponse) -> None:
        """Answer with the page, or with 304 where the browser has it already."""
        if request.method not in ("GET", "HEAD"):
            await response.send(405, [("Allow", "GET, HEAD")])
        elif self.tag in _tags(request.headers.get_list("if-none-match")):
            await response.send(304, self.fields)
        else:
            kind = ("Content-Type", "text/html; charset=utf-8")
            await response.send(200, [kind, *self.fields], self.body)


def _policy(page: bytes) -> str:
    return "; ".join(
        [
            "default-src 'none'",
            f"style-src {' '.join(_hashes(page, b'style'))}",
            f"script-src {' '.join(_hashes(page, b'script'))}",
            "img-src data:",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )


def _hashes(page: bytes, element: bytes) -> Iterable[str]:
    for content in re.findall(rb"<%b>(.*?)</%b>" % (element, element), page, re.DOTALL):
        digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
        yield f"'sha256-{digest}'"


def _tags(values: Iterable[str]) -> set[str]:
    """Return entity tags for a weak comparison (RFC 9110 section 13.1.2)."""
    return {value.removeprefix("W/") for value in values}

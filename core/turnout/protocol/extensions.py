"""Sec-WebSocket-Extensions (RFC 6455 section 9.1) and permessage-deflate (RFC 7692 section 7.1).

What is agreed keeps both windows within `Deflate.window_bits`:

- Our own window we choose. The offer may lower it by `server_max_window_bits`; zlib has no
  window of 8 bits for raw deflate, so an offer that asks for 8 is declined.
- The client's window is bounded only by `client_max_window_bits` in the response, and that may
  be there only if the offer has it (section 7.1.2.2). Without it the client may use 15 bits: so
  such an offer is declined, unless `window_bits` is 15.
- The client may hint at a smaller window of its own; then the response takes the hint.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from turnout.errors import ProtocolError
from turnout.options import Deflate

__all__ = [
    "DeflateParameters",
    "InvalidExtensionsError",
    "WebSocketExtension",
    "negotiate_deflate",
    "parse_extensions",
]

PERMESSAGE_DEFLATE = "permessage-deflate"
SERVER_WINDOW = "server_max_window_bits"
CLIENT_WINDOW = "client_max_window_bits"
SERVER_NO_CONTEXT = "server_no_context_takeover"
CLIENT_NO_CONTEXT = "client_no_context_takeover"
LARGEST_WINDOW = 15
SMALLEST_ZLIB_WINDOW = 9

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
# A quoted value must be a token once unquoted (RFC 6455 section 9.1).
_QUOTED = re.compile(r'"((?:[^"\\\x00-\x1f\x7f]|\\[\t\x20-\x7e])*)"')
_SPACE = re.compile(r"[ \t]*")
_WINDOW = re.compile(r"[89]|1[0-5]")  # a decimal from 8 to 15 without leading zeroes


class InvalidExtensionsError(ProtocolError, ValueError):
    """A Sec-WebSocket-Extensions field that RFC 6455 section 9.1 does not allow."""


@dataclass(frozen=True, slots=True)
class WebSocketExtension:
    """One extension of a handshake: its name and its parameters, in order; repeats are kept."""

    name: str
    parameters: tuple[tuple[str, str | None], ...] = ()

    def __str__(self) -> str:
        parts = (name if value is None else f"{name}={value}" for name, value in self.parameters)
        return "; ".join((self.name, *parts))


def parse_extensions(fields: str | Iterable[str]) -> list[WebSocketExtension]:
    """Parse one Sec-WebSocket-Extensions field, or all of a request, in order.

    Raises `InvalidExtensionsError` when a field is malformed.
    """
    lines = [fields] if isinstance(fields, str) else fields
    return [extension for line in lines for extension in _Parser(line).extensions()]


class _Parser:
    """A field's text and how far it has been read."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0

    def extensions(self) -> list[WebSocketExtension]:
        found = []
        # RFC 9110 section 5.6.1.2: a recipient must accept empty members of a list.
        while self._skip_commas():
            found.append(WebSocketExtension(self._token(), tuple(self._parameters())))
            if not self._at_end() and not self._accept(","):
                raise self._malformed("a comma")
        return found

    def _parameters(self) -> Iterable[tuple[str, str | None]]:
        while self._accept(";"):
            yield self._token(), self._value() if self._accept("=") else None

    def _value(self) -> str:
        quoted = self._match(_QUOTED)
        if quoted is None:
            return self._token()
        value = re.sub(r"\\(.)", r"\1", quoted[1])
        if not _TOKEN.fullmatch(value):
            raise self._malformed("a token between the quotes")
        return value

    def _token(self) -> str:
        found = self._match(_TOKEN)
        if found is None:
            raise self._malformed("a token")
        return found[0]

    def _skip_commas(self) -> bool:
        while self._accept(","):
            pass
        return not self._at_end()

    def _accept(self, character: str) -> bool:
        accepted = not self._at_end() and self._text[self._position] == character
        self._position += accepted
        return accepted

    def _at_end(self) -> bool:
        self._match(_SPACE)
        return self._position == len(self._text)

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        if pattern is not _SPACE:
            self._match(_SPACE)
        found = pattern.match(self._text, self._position)
        if found is not None:
            self._position = found.end()
        return found

    def _malformed(self, wanted: str) -> InvalidExtensionsError:
        return InvalidExtensionsError(
            f"Sec-WebSocket-Extensions needs {wanted} at character {self._position}"
            " (RFC 6455 section 9.1)"
        )


@dataclass(frozen=True, slots=True)
class DeflateParameters:
    """The permessage-deflate that a handshake agreed on, and our own settings for it."""

    server_max_window_bits: int = LARGEST_WINDOW
    client_max_window_bits: int = LARGEST_WINDOW
    server_no_context_takeover: bool = False
    client_no_context_takeover: bool = False
    memory_level: int = 8
    threshold: int = 0

    @property
    def extension(self) -> WebSocketExtension:
        """What the response says; a window of 15 bits is the default and needs no word."""
        parameters: list[tuple[str, str | None]] = []
        if self.server_no_context_takeover:
            parameters.append((SERVER_NO_CONTEXT, None))
        if self.client_no_context_takeover:
            parameters.append((CLIENT_NO_CONTEXT, None))
        if self.server_max_window_bits < LARGEST_WINDOW:
            parameters.append((SERVER_WINDOW, str(self.server_max_window_bits)))
        if self.client_max_window_bits < LARGEST_WINDOW:
            parameters.append((CLIENT_WINDOW, str(self.client_max_window_bits)))
        return WebSocketExtension(PERMESSAGE_DEFLATE, tuple(parameters))

    @property
    def response_header(self) -> str:
        """The value of Sec-WebSocket-Extensions in the response."""
        return str(self.extension)


def negotiate_deflate(
    offers: Iterable[WebSocketExtension], settings: Deflate | None
) -> DeflateParameters | None:
    """Return the first offer that can be bounded, in the client's order; None if there is none."""
    if settings is None:
        return None
    for offer in offers:
        agreed = _answer(offer, settings) if offer.name == PERMESSAGE_DEFLATE else None
        if agreed is not None:
            return agreed
    return None


def _answer(offer: WebSocketExtension, settings: Deflate) -> DeflateParameters | None:
    offered = dict(offer.parameters)
    # RFC 7692 section 7.1: repeated or unknown parameters and illegal values are declined.
    if len(offered) < len(offer.parameters) or not all(map(_is_legal, offered.items())):
        return None
    server_window = min(settings.window_bits, int(offered.get(SERVER_WINDOW) or LARGEST_WINDOW))
    client_window = min(settings.window_bits, int(offered.get(CLIENT_WINDOW) or LARGEST_WINDOW))
    bounded = CLIENT_WINDOW in offered or settings.window_bits == LARGEST_WINDOW
    if not bounded or server_window < SMALLEST_ZLIB_WINDOW:
        return None
    return DeflateParameters(
        server_window,
        client_window,
        SERVER_NO_CONTEXT in offered,
        CLIENT_NO_CONTEXT in offered,
        settings.memory_level,
        settings.threshold,
    )


def _is_legal(parameter: tuple[str, str | None]) -> bool:
    name, value = parameter
    if name in (SERVER_NO_CONTEXT, CLIENT_NO_CONTEXT):
        return value is None
    if name == CLIENT_WINDOW and value is None:
        return True
    return name in (SERVER_WINDOW, CLIENT_WINDOW) and bool(_WINDOW.fullmatch(value or ""))

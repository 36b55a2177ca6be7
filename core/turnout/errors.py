"""The errors of turnout, split by who is to blame.

```text
TurnoutError
├── UsageError                    the program asked for something impossible
│   ├── ConfigurationError        found while registering or starting, never while serving
│   │   ├── UnknownOptionError    no option of that name
│   │   └── UnsupportedOptionError  the engine cannot honour it
│   ├── ForeignAwaitableError     a handler awaited what its runtime cannot drive
│   └── InvalidCloseError         a close code or reason that may not be sent
├── ProtocolError                 the peer broke RFC 6455 (carries the close code)
│   ├── InvalidPayloadError       1007
│   └── MessageTooBigError        1009
├── BodyTooLargeError             an HTTP request body over its limit
├── HandshakeRefused              the answer is an HTTP response, not a WebSocket
├── ConnectionClosed              the connection has ended (code, reason, who closed)
│   └── SessionLimitExceeded      ended because the peer reads too slowly (4500)
└── EngineError                   a server plug-in
    ├── UnknownEngineError
    └── EngineNotInstalledError
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from turnout.headers import Headers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from turnout.close import CloseStatus

__all__ = [
    "BodyTooLargeError",
    "ConfigurationError",
    "ConnectionClosed",
    "EngineError",
    "EngineNotInstalledError",
    "ForeignAwaitableError",
    "HandshakeRefused",
    "InvalidCloseError",
    "InvalidPayloadError",
    "MessageTooBigError",
    "ProtocolError",
    "SessionLimitExceeded",
    "TurnoutError",
    "UnknownEngineError",
    "UnknownOptionError",
    "UnsupportedOptionError",
    "UsageError",
]


class TurnoutError(Exception):
    """Root of turnout's own exceptions.

    An argument of the wrong type or out of range also raises `TypeError` or `ValueError`.
    """


class UsageError(TurnoutError):
    """The program asked for something that cannot be done; the message says what to do instead."""


class ConfigurationError(UsageError):
    """A registration, an option or a setting is wrong; raised before anything is served."""


class UnknownOptionError(ConfigurationError):
    """No option has that name; the message offers the nearest one."""


class UnsupportedOptionError(ConfigurationError):
    """The chosen engine cannot honour an option that was set explicitly."""


class ForeignAwaitableError(UsageError):
    """A handler awaited something that only another runtime can complete."""


class InvalidCloseError(UsageError, ValueError):
    """A close code or reason that RFC 6455 section 7.4 forbids to send; nothing was sent."""


class ProtocolError(TurnoutError):
    """The peer violated RFC 6455; the connection fails with `code`."""

    code = 1002


class InvalidPayloadError(ProtocolError):
    """Text that is not UTF-8, or data that does not inflate (RFC 6455 section 8.1)."""

    code = 1007


class MessageTooBigError(ProtocolError):
    """A message over the configured limit (RFC 6455 section 7.4.1)."""

    code = 1009


class BodyTooLargeError(TurnoutError):
    """An HTTP request body over the limit that the reader gave; answer it with 413."""


class HandshakeRefused(TurnoutError):
    """Refuse the handshake with this HTTP response.

    Raise it from an interceptor, a hook or `determine_user`; it is written before any 101. Raises
    `ValueError` for a status that is no refusal, and for a header that may not be sent.
    """

    def __init__(
        self,
        status: int = 403,
        headers: Iterable[tuple[str, str]] = (),
        body: str | bytes = b"",
    ) -> None:
        if not 300 <= status <= 599:
            raise ValueError(f"a refusal needs a status from 300 to 599, not {status}")
        super().__init__(f"handshake refused with {status}")
        self.status = status
        # Checked here, where the traceback names who gave them.
        self.headers: list[tuple[str, str]] = Headers(headers).fields()
        self.body: bytes = body.encode() if isinstance(body, str) else body


class ConnectionClosed(TurnoutError):
    """The WebSocket connection has ended, or is ending; nothing more can be sent or received."""

    def __init__(self, status: CloseStatus, by: Literal["local", "remote"] | None = None) -> None:
        who = {"local": "by this side", "remote": "by the peer", None: "without a close frame"}[by]
        super().__init__(f"connection closed {who}: {status}")
        self.status = status
        self.by = by

    @property
    def code(self) -> int:
        """The close code; 1006 when the peer vanished."""
        return self.status.code

    @property
    def reason(self) -> str:
        """The close reason, or an empty string."""
        return self.status.reason


class SessionLimitExceeded(ConnectionClosed):
    """The peer read too slowly for `send_timeout` or `send_buffer`; the session is closed 4500."""


class EngineError(TurnoutError):
    """A server plug-in cannot be used."""


class UnknownEngineError(EngineError):
    """No engine is registered under that name."""


class EngineNotInstalledError(EngineError):
    """The engine is known, its server package is not installed; the message has the command."""

"""Close codes and reasons (RFC 6455 section 7.4)."""

from __future__ import annotations

from dataclasses import dataclass

from turnout.errors import InvalidCloseError

__all__ = ["CloseStatus", "is_sendable_code"]

MAX_REASON_BYTES = 123  # a control frame carries 125 bytes, two of them the code


def is_sendable_code(code: int) -> bool:
    """Tell whether `code` may stand in a close frame (RFC 6455 section 7.4.2, IANA registry)."""
    return 3000 <= code <= 4999 or (1000 <= code <= 1014 and code not in (1004, 1005, 1006))


@dataclass(frozen=True, slots=True)
class CloseStatus:
    """How a connection ended: a close code and a reason.

    1005 (no code given) and 1006 (no close frame) only report; they cannot be sent.
    """

    code: int = 1000
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.code} {self.reason!r}" if self.reason else str(self.code)

    def check_sendable(self) -> CloseStatus:
        """Return itself, or raise `InvalidCloseError` when it may not be sent."""
        code: object = self.code  # what is given need not be what the annotations say
        reason: object = self.reason
        if not isinstance(code, int) or not is_sendable_code(code):
            raise InvalidCloseError(
                f"close code {code!r} may not be sent; use 1000-1003, 1007-1014 or 3000-4999"
                " (RFC 6455 section 7.4)"
            )
        if not isinstance(reason, str):
            raise InvalidCloseError(f"a close reason is a str, not {type(reason).__name__}")
        try:
            length = len(reason.encode())
        except UnicodeEncodeError as error:
            raise InvalidCloseError("a close reason must be encodable as UTF-8") from error
        if length > MAX_REASON_BYTES:
            raise InvalidCloseError(
                f"the close reason has {length} bytes of UTF-8; at most {MAX_REASON_BYTES} fit"
                " (RFC 6455 section 5.5)"
            )
        return self


NORMAL = CloseStatus(1000)
GOING_AWAY = CloseStatus(1001)
PROTOCOL_ERROR = CloseStatus(1002)
NOT_ACCEPTABLE = CloseStatus(1003)
NO_STATUS_CODE = CloseStatus(1005)
NO_CLOSE_FRAME = CloseStatus(1006)
BAD_DATA = CloseStatus(1007)
POLICY_VIOLATION = CloseStatus(1008)
TOO_BIG_TO_PROCESS = CloseStatus(1009)
REQUIRED_EXTENSION = CloseStatus(1010)
SERVER_ERROR = CloseStatus(1011)
SERVICE_RESTARTED = CloseStatus(1012)
SERVICE_OVERLOAD = CloseStatus(1013)
SESSION_NOT_RELIABLE = CloseStatus(4500, "Failed to send message within the configured send limit")

"""What to change, by what was expected and what came: more exact than any test can know."""

from __future__ import annotations

import re

__all__ = ["symptom_advice"]

SYMPTOMS = {
    (r"a close frame with \d+ .*", r"a close frame without a code"): """
        The close frame carried no code: `send_close()` must put `status.code`, in two bytes, in
        front of the reason.
        """,
    (r"a close frame with (\d+) and the reason .*", r"a close frame with \1 and no reason"): """
        The close frame carried no reason: `send_close()` must put `status.reason`, in UTF-8, behind
        the code.
        """,
    (r".*close (?:frame|code).*", r"(?:the end|a reset) of the connection.*"): """
        The connection ended without a close frame: `send_close()` must write it, and `close()` must
        end the connection only when everything has been written.
        """,
    (r".*101.*", r"500 .*"): """
        The handshake was accepted and something raised after that: the server's log says what.
        """,
    (r"an HTTP response", r"'.*"): """
        What came is no HTTP: nothing may be written before the answer to the request.
        """,
}
"""Patterns of what was expected and of what was got; the first pair that matches counts."""


def symptom_advice(expected: str, got: str) -> str | None:
    """Return what to change where that was expected and that was got, if it tells by itself."""
    for (wanted, came), advice in SYMPTOMS.items():
        if re.fullmatch(f"{wanted}\n{came}", f"{expected}\n{got}"):
            return advice
    return None

"""A stored report, with everything that one may hold."""

from __future__ import annotations

from typing import Any

from turnout.testing.rows import Row

__all__ = ["FAILURE", "stored_report"]

FAILURE: dict[str, Any] = {
    "expected": "a close frame with 4001 and the reason '<b>bye</b>'",
    "got": "a close frame with 4001 and no reason",
    "where": "test_closing.py:26",
    "conversation": [
        {"who": "client", "what": "GET /async/act HTTP/1.1, an opening handshake"},
        *({"who": "server", "what": f"a text frame of 1 byte: '{n}'"} for n in range(9)),
        {"who": "server", "what": "a close frame with 4001 and no reason"},
    ],
    "log": "Traceback (most recent call last):\nValueError: <script>alert(1)</script>",
    "logged": {"error": "ValueError: <x>", "file": "mine.py", "line": 7, "function": "send"},
    "advice": "`send_close()` must put `status.reason` & all behind the code.",
    "sources": [
        {"text": "RFC 6455 §7.1", "url": "https://www.rfc-editor.org/rfc/rfc6455#section-7.1"},
        {"text": "turnout's contract", "url": None},
    ],
}


def stored_report(*, ended_early: bool = False) -> dict[str, Any]:
    """Return the report of a run that has failed twice, in one rule."""
    tests: dict[str, dict[str, dict[str, Any]]] = {row.name: {} for row in Row}
    tests["ACCEPT"] = {"test_open": _test("passed")}
    tests["CLOSE"] = {
        "test_close[async]": _test("failed") | {"failure": FAILURE},
        "test_close[plain]": _test("failed") | {"failure": FAILURE},
        "test_close[other]": _test("passed"),
    }
    tests["DEFLATE"] = {"test_deflate": _test("declared away", "declared away: deflate")}
    tests["UTF8"] = {"test_utf8": _test("not run", "not run: it waited in vain")}
    outcomes = {"ACCEPT": "passed", "CLOSE": "failed", "DEFLATE": "declared away"}
    early = {"reason": "no WebSocket can be used", "failure": FAILURE}
    return {
        "schema": 1,
        "engine": "pocket",
        "strategy": "native",
        "runtime": "asyncio",
        "distribution": "pocket-server",
        "version": "1.2",
        "turnout": "0.1.0",
        "python": "3.11.7",
        "seconds": 1.5,
        "outcome": "failed",
        "counts": {"failed": 2, "not run": 1, "declared away": 1, "passed": 2},
        "ended_early": early if ended_early else None,
        "rows": {
            row.name: {
                "title": row.value,
                "outcome": outcomes.get(row.name, "not run"),
                "tests": tests[row.name],
            }
            for row in Row
        },
    }


def _test(outcome: str, message: str = "") -> dict[str, Any]:
    return {"rule": f"a rule that has {outcome} <here>", "outcome": outcome, "message": message}

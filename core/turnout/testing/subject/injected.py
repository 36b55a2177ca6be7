"""Header fields that may not be sent, by what is wrong with each."""

from __future__ import annotations

__all__ = ["INJECTED"]

INJECTED = {
    "line break": ("X-Answer", "first\r\nX-Injected: second"),
    "line feed": ("X-Answer", "first\nX-Injected: second"),
    "carriage return": ("X-Answer", "first\rX-Injected: second"),
    "zero": ("X-Answer", "first\0X-Injected: second"),
    "emoji": ("X-Answer", "first 🚂 X-Injected"),
    "line break in the name": ("X-Answer: first\r\nX-Injected", "second"),
}

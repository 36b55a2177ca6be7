"""The head of a request as pywsgi gets it from us."""

from __future__ import annotations

import io

import pytest

from turnout_compat.gevent_head import strict_headers

GOOD = b"Host: x\r\nX-Own:  a b\t\r\nX-Empty:\r\nX-Latin: \xe9\r\n"


def test_what_is_well_formed_is_taken() -> None:
    headers = strict_headers(io.BytesIO(GOOD + b"X-Own: c\r\n d\r\n\r\nbody"), 0)
    assert not headers.status
    assert headers.get_all("X-Own") == ["a b\t", "c\r\n d"]
    assert headers["X-Latin"] == "\xe9"


def test_a_line_may_end_with_a_line_feed_alone() -> None:
    assert not strict_headers(io.BytesIO(GOOD.replace(b"\r\n", b"\n") + b"\n")).status


def test_nothing_behind_the_head_is_read() -> None:
    source = io.BytesIO(GOOD + b"\r\nbody")
    strict_headers(source)
    assert source.read() == b"body"


@pytest.mark.parametrize(
    "line",
    [b"X-Own : a", b": a", b"X Own: a", b"nonsense", b"X-Own: a\rX-Other: b", b"X-Own: a\0"],
)
def test_what_is_malformed_has_a_status(line: bytes) -> None:
    assert "malformed" in strict_headers(io.BytesIO(b"Host: x\r\n" + line + b"\r\n\r\n")).status


@pytest.mark.parametrize("size", range(len(GOOD) + 1))
def test_what_is_cut_short_has_a_status(size: int) -> None:
    assert "incomplete" in strict_headers(io.BytesIO(GOOD[:size])).status


def test_what_is_too_much_has_a_status() -> None:
    many = b"".join(b"X-%d: x\r\n" % number for number in range(200))
    assert "headers" in strict_headers(io.BytesIO(many + b"\r\n")).status
    assert strict_headers(io.BytesIO(b"X-Big: " + bytes(100_000))).status

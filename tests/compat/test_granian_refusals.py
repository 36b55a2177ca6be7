"""The fields of a refused handshake, as granian takes them and as every other host does."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from turnout_compat.granian_refusals import denial_fields

FIELDS = [
    (b"vary", b"origin"),
    (b"connection", b"close"),
    (b"vary", b"cookie"),
    (b"set-cookie", b"theme=dark"),
    (b"set-cookie", b"session=a-secret; HttpOnly"),
]


@pytest.fixture(params=[True, False])
def on_granian(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Run as granian's process does, and as another host's does."""
    monkeypatch.delitem(sys.modules, "granian", raising=False)
    if request.param:
        monkeypatch.setitem(sys.modules, "granian", ModuleType("granian"))
    return bool(request.param)


def test_fields_are_joined_for_granian_only(on_granian: bool) -> None:
    joined = [(b"vary", b"origin, cookie"), (b"set-cookie", b"theme=dark")]
    assert denial_fields(FIELDS) == (joined if on_granian else FIELDS)


def test_a_cookie_that_is_left_out_is_named_without_its_value(
    on_granian: bool, caplog: pytest.LogCaptureFixture
) -> None:
    denial_fields(FIELDS)
    assert ("session" in caplog.text) is on_granian
    assert "secret" not in caplog.text

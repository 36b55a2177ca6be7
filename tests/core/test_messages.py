"""Messages that are made without their checks are like those that were checked."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout import BinaryMessage, Message, TextMessage
from turnout.messages import whole_binary, whole_text


def assert_alike(made: Message, checked: Message) -> None:
    assert type(made) is type(checked)
    assert made == checked
    assert hash(made) == hash(checked)
    assert repr(made) == repr(checked)
    assert (made.is_first, made.is_last, made.kind) == (True, True, checked.kind)
    assert pickle.loads(pickle.dumps(made)) == checked
    assert not hasattr(made, "__dict__")


@given(st.text())
def test_whole_text(payload: str) -> None:
    assert_alike(whole_text(payload), TextMessage(payload))


@given(st.binary())
def test_whole_binary(payload: bytes) -> None:
    assert_alike(whole_binary(payload), BinaryMessage(payload))


@pytest.mark.parametrize("made", [whole_text("a"), whole_binary(b"a")])
@pytest.mark.parametrize("name", ["payload", "is_first", "is_last", "__class__", "other"])
def test_they_never_change(made: Message, name: str) -> None:
    with pytest.raises(AttributeError, match="is immutable; make a new one"):
        setattr(made, name, None)
    with pytest.raises(AttributeError, match="is immutable; make a new one"):
        delattr(made, name)

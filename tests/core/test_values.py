"""Messages, close statuses, header lists and errors as values: equal, copied, pickled, checked."""

from __future__ import annotations

import array
import copy
import enum
import logging
import pickle
from typing import Any

import pytest

from turnout import (
    BinaryMessage,
    CloseStatus,
    Headers,
    InvalidCloseError,
    PingMessage,
    PongMessage,
    TextMessage,
    WebSocketOptions,
)
from turnout.drive import explain

MESSAGES = [
    TextMessage("a"),
    TextMessage("a", is_last=False),
    TextMessage("a", is_first=False),
    BinaryMessage(b"a"),
    PingMessage(b"a"),
    PongMessage(b"a"),
]


@pytest.mark.parametrize("message", MESSAGES, ids=repr)
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_messages_survive_pickling_and_copying(message: Any, protocol: int) -> None:
    for other in (
        pickle.loads(pickle.dumps(message, protocol)),
        copy.copy(message),
        copy.deepcopy(message),
    ):
        assert other == message
        assert hash(other) == hash(message)
        assert type(other) is type(message)


def test_messages_differ_by_kind_and_place() -> None:
    assert len(set(MESSAGES)) == len(MESSAGES)
    assert TextMessage("a") != "a"


def test_a_message_cannot_be_changed() -> None:
    message = TextMessage("a")
    with pytest.raises(AttributeError, match="immutable"):
        message.payload = "b"
    with pytest.raises(AttributeError, match="immutable"):
        del message.payload


def test_payloads_are_copies() -> None:
    data = bytearray(b"abc")
    messages = [BinaryMessage(data), BinaryMessage(memoryview(data)), PingMessage(data)]
    data[0] = 0
    assert [message.payload for message in messages] == [b"abc"] * 3


def test_a_control_message_is_measured_in_bytes() -> None:
    """Not in the items of what is given."""
    items = memoryview(array.array("I", [0] * 40))
    assert len(items) < 125 < items.nbytes
    with pytest.raises(ValueError, match="at most 125 bytes"):
        PingMessage(items)


# Closing


class Code(enum.IntEnum):
    """Codes of an application."""

    BYE = 4001


@pytest.mark.parametrize("code", [1000.0, 1000.5, "1000", None, True, b"1000", 1004, -1, 10**9])
def test_a_close_code_is_a_number_that_may_be_sent(code: Any) -> None:
    with pytest.raises(InvalidCloseError, match="close code"):
        CloseStatus(code).check_sendable()


def test_a_close_code_may_have_a_name() -> None:
    assert CloseStatus(Code.BYE).check_sendable() == CloseStatus(4001)


@pytest.mark.parametrize("reason", [None, b"bytes", 7, "\ud800", "x" * 124])
def test_a_close_reason_is_text_that_may_be_sent(reason: Any) -> None:
    with pytest.raises(InvalidCloseError, match="close reason"):
        CloseStatus(1000, reason).check_sendable()


# Headers


COOKIES = [("Set-Cookie", "a=1; Expires=Sat, 21 Nov 2026"), ("Set-Cookie", "b=2")]


def test_headers_made_of_headers_keep_every_line() -> None:
    """Cookies must not be joined, whichever way they are handed on."""
    headers = Headers(COOKIES)
    assert Headers(headers).fields() == COOKIES
    extended = Headers([("X", "1")])
    extended.extend(headers)
    assert extended.fields() == [("X", "1"), *COOKIES]
    headers.extend(headers)
    assert headers.fields() == COOKIES * 2


def test_copies_of_headers_are_independent() -> None:
    headers = Headers(COOKIES)
    copies = [
        headers.copy(),
        copy.copy(headers),
        copy.deepcopy(headers),
        pickle.loads(pickle.dumps(headers)),
    ]
    headers.add("X", "1")
    assert all(one.fields() == COOKIES for one in copies)


def test_headers_are_equal_without_regard_to_case_of_names() -> None:
    assert Headers({"Accept": "a"}) == Headers({"accept": "a"})
    assert Headers({"Accept": "a"}) != Headers({"Accept": "A"})
    assert Headers(COOKIES) != Headers(reversed(COOKIES))
    assert Headers({"Accept": "a"}) == {"accept": "a"}
    assert Headers() == {}
    assert Headers() != []


@pytest.mark.parametrize("value", ["a\r\nb", "a\nb", "a\0b", "\x7f", "\u0100", "\ud800"])
def test_a_header_value_that_may_not_be_sent(value: str) -> None:
    with pytest.raises(ValueError, match="may not be sent"):
        Headers([("X", value)])


@pytest.mark.parametrize("name", ["", " ", "a b", "a:", "a\n", "\u00e4"])
def test_a_header_name_is_a_token(name: str) -> None:
    with pytest.raises(ValueError, match="not a header name"):
        Headers([(name, "x")])


# Options and errors


def test_options_survive_pickling_and_copying() -> None:
    options = WebSocketOptions(idle_timeout=None, max_text_size=7)
    for other in (
        pickle.loads(pickle.dumps(options)),
        copy.deepcopy(options),
    ):
        assert other == options
        assert other.explicit == options.explicit


class Unprintable(RuntimeError):
    """An error whose text cannot be had."""

    def __str__(self) -> str:
        raise ValueError("no text")


def test_an_error_that_cannot_be_printed_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    error = Unprintable()
    assert explain(error) is error
    logging.getLogger("turnout.test").error("it raised", exc_info=explain(error))
    assert "Unprintable" in caplog.text

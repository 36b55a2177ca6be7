"""Failed assertions, told without Python; and what was said before them."""

from __future__ import annotations

import ast
from http import HTTPStatus
from typing import Any

import pytest

from turnout.headers import Headers
from turnout.testing.advice import ROW_ADVICE, advice_for, sources_of
from turnout.testing.conversation import Conversation, Recording
from turnout.testing.expectations import EndOfStream, Silence, Unexpected, quote
from turnout.testing.explain import Comparison, _compared, explain
from turnout.testing.frames import CLOSE, PING, TEXT, CloseFrame, Frame, encode_frame
from turnout.testing.hints import TEST_ADVICE
from turnout.testing.http import HttpResponse
from turnout.testing.inventory import test_functions as functions_of_the_suite
from turnout.testing.logged import last_error
from turnout.testing.rows import Row


@pytest.mark.parametrize(
    ("source", "left", "right", "expected", "got"),
    [
        (
            "client.read_close() == (4001, 'bye')",
            CloseFrame(4001, ""),
            (4001, "bye"),
            "a close frame with 4001 and the reason 'bye'",
            "a close frame with 4001 and no reason",
        ),
        (
            "client.read_close()[0] == 1000",
            1002,
            1000,
            "the close code to be 1000",
            "1002",
        ),
        (
            "connect().handshake('/x').status == 403",
            HTTPStatus.OK,
            403,
            "the status to be 403 Forbidden",
            "200 OK",
        ),
        (
            "(event['code'], event['state']) == (1006, 'closed')",
            (1000, "closed"),
            (1006, "closed"),
            "code to be 1006",
            "1000",
        ),
        (
            "response.headers['X-Own'] == 'kept'",
            "lost",
            "kept",
            "the header X-Own to be 'kept'",
            "'lost'",
        ),
        (
            "len(server.events.of(token, 'closed')) == 1",
            2,
            1,
            "the number of report 'closed' of the handler to be 1",
            "2",
        ),
        ("DETAIL not in reason", "secret", "the secret", "no 'secret' in reason", "'the secret'"),
        ("'GET' in allow", "GET", "POST", "'GET' in allow", "'POST'"),
        ("taken < LIMIT", 9, 5, "taken to be less than 5", "9"),
        ("client.read_text() == 'x'", "y", "x", "the next text message to be 'x'", "'y'"),
        (
            "[client.read_binary() for _ in range(3)] == []",
            [b"x"],
            [],
            "the next binary message of each to be []",
            "[b'x']",
        ),
    ],
)
def test_comparisons(source: str, left: Any, right: Any, expected: str, got: str) -> None:
    (statement,) = ast.parse(source).body
    assert isinstance(statement, ast.Expr)
    assert isinstance(statement.value, ast.Compare)
    assert _compared(statement.value, Comparison("==", left, right)) == (expected, got)


def test_errors_that_say_it_themselves() -> None:
    for error in (Unexpected("a text", "a ping"), EndOfStream("a text"), Silence("a text", 2)):
        assert explain(error).expected == "a text"
    assert explain(Silence("x", 2, b"ab")).got == "nothing for 2 seconds after 'ab'"
    assert explain(ConnectionRefusedError()).got == "a refused connection: nobody listens"
    assert explain(KeyError("Allow")).expected == "'Allow' in what the server answers"
    assert explain(ValueError("odd\nmore")).got == "ValueError: odd"


def test_payloads_are_quoted_by_what_they_are() -> None:
    assert quote("hello") == "'hello'"
    assert quote(b"hello") == "'hello'"
    assert quote("x" * 100) == f"'{'x' * 60}'…"
    assert quote(b"\x00\xff") == "00 ff"
    assert quote(bytes(20)) == "00 " * 15 + "00 …"
    assert quote("ä".encode() * 100).endswith("'…")
    assert quote("ää".encode()[:3]) == "c3 a4 c3"


def test_frames_in_words() -> None:
    assert str(Frame(TEXT, b"hello")) == "a text frame of 5 bytes: 'hello'"
    assert str(Frame(PING, b"", fin=False)) == "a ping frame of 0 bytes (more to follow)"
    assert str(Frame(0x3, b"x", rsv1=True)) == (
        "a frame with the reserved opcode 0x3 of 1 byte (RSV1 set): 'x'"
    )
    assert str(Frame(CLOSE, b"")) == "a close frame without a code"
    assert str(Frame(CLOSE, b"\x03")) == "a close frame of 1 byte: 03"
    assert str(Frame(CLOSE, b"\x03\xe8bye")) == "a close frame with 1000 and the reason 'bye'"


def lines(*sent: bytes) -> list[str]:
    conversation = Conversation()
    for data in sent:
        conversation.sent(data)
    return [what for _, _, what in conversation.notes()]


def test_what_a_client_sends_in_words() -> None:
    head = "GET /x HTTP/1.1\r\nHost: y\r\n"
    usual = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    key = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    handshake = f"{head}{usual}{key}X: 1\r\n\r\n".encode()
    assert lines(handshake) == ["GET /x HTTP/1.1, an opening handshake; X: 1"]
    assert lines(f"{head}{usual}\r\n".encode()) == [
        "GET /x HTTP/1.1; Upgrade: websocket; Connection: Upgrade; Sec-WebSocket-Version: 13"
    ]
    frame = encode_frame(TEXT, b"hello")
    assert lines(*(bytes([one]) for one in frame)) == ["a text frame of 5 bytes: 'hello'"]
    assert lines(encode_frame(TEXT, b"x", masked=False)) == [
        "a text frame of 1 byte: 'x', not masked"
    ]
    assert lines(encode_frame(TEXT, b"", declared_length=1 << 40)) == [
        "a text frame of 0 bytes (its header declares 1099511627776)"
    ]
    assert lines(frame[:1]) == ["the beginning of a frame: 81"]
    assert lines(encode_frame(TEXT, bytes(1000)))[0].startswith("1008 bytes: a text frame of")


def test_long_conversations_keep_their_ends() -> None:
    conversation = Conversation()
    for number in range(100):
        conversation.received(number)
    kept = [what for _, _, what in conversation.notes()]
    assert kept[:6] == ["0", "1", "2", "3", "4", "5"]
    assert kept[6] == "80 more, left out here"
    assert kept[-1] == "99"


def test_events_of_other_tests_are_left_out() -> None:
    recorded = Recording([Conversation()])
    recorded.conversations[0].sent(b"GET /?token=mine HTTP/1.1\r\n\r\n")
    events = [(1e9, {"token": one, "event": "closed", "code": 1000}) for one in ("mine", "x", "")]
    assert recorded.lines(events)[1:] == [("handler", "closed, code 1000")]


def test_response_in_words() -> None:
    response = HttpResponse(403, Headers([("X", "1")]), b"no")
    assert str(response) == "403 Forbidden; X: 1; body 'no'"


LOG = """INFO: hello
Traceback (most recent call last):
  File "/home/ada/mine.py", line 7, in upgrade
    connection.send_close(status)
  File "{own}", line 9, in send_close
    raise ValueError("no")
ValueError: no
INFO: bye
"""


def test_error_in_a_log_is_placed_in_the_authors_code() -> None:
    import turnout.close

    found = last_error(LOG.format(own=turnout.close.__file__))
    assert str(found) == "ValueError: no (/home/ada/mine.py:7, in upgrade)"
    assert last_error("nothing") is None
    assert last_error(LOG.replace("ValueError: no", "X: a detail that no client may see")) is None


def test_every_row_has_advice_and_a_source() -> None:
    assert ROW_ADVICE.keys() == set(Row)
    for row in Row:
        (first, *_) = sources_of("a rule", row.name)
        assert first.text
        assert advice_for("test_of_nothing", row.name).endswith((".", "`."))


def test_advice_is_about_tests_that_exist() -> None:
    assert set(functions_of_the_suite()) >= TEST_ADVICE.keys()


def test_sources_are_those_that_a_rule_names() -> None:
    (source,) = sources_of("an unmasked frame → 1002 (RFC 6455 §5.1)", "CLOSE")
    assert source.text == "RFC 6455 §5.1"
    assert [one.text for one in sources_of("a rule", "CLOSE")] == [
        "RFC 6455 §5.5.1",
        "RFC 6455 §7.1",
    ]
    (contract,) = sources_of("a rule", "FULL")
    assert contract.url is None

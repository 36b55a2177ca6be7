"""No secret, no line break and no endless text reaches a log."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.handshake.redaction import (
    RedactQueryFilter,
    printable,
    redact,
    redact_queries_of,
)


class TestRedact:
    @pytest.mark.parametrize(
        ("target", "shown"),
        [
            ("/chat", "/chat"),
            ("/chat?", "/chat?"),
            ("/chat?token=secret", "/chat?token=***"),
            ("/chat?token=secret&b=2&c=", "/chat?token=***&b=***&c=***"),
            ("/chat?secret", "/chat?***"),
            ("/chat?token=a=b", "/chat?token=***"),
            ("/chat?token=a?b=c", "/chat?token=***"),
            ("/chat?&token=a&", "/chat?&token=***&"),
            ("ws://example.org/chat?token=secret#x", "ws://example.org/chat?token=***#x"),
            ("ws://user:secret@example.org/", "ws://***@example.org/"),
            ("GET /a?b=c HTTP/1.1", "GET /a?b=*** HTTP/1.1"),
            ('"GET /a?b=c" "http://x/?d=e"', '"GET /a?b=***" "http://x/?d=***"'),
        ],
    )
    def test_hides_values_and_keeps_names(self, target: str, shown: str) -> None:
        assert redact(target) == shown

    @given(
        st.from_regex(r"/[a-z/]{0,10}", fullmatch=True),
        st.lists(
            st.tuples(
                st.from_regex(r"[a-z]{1,4}", fullmatch=True),
                st.from_regex(r"SECRET[A-Za-z0-9%.=+/?@:~_-]{0,12}", fullmatch=True),
            ),
            min_size=1,
            max_size=4,
        ),
    )
    def test_no_value_survives(self, path: str, parameters: list[tuple[str, str]]) -> None:
        query = "&".join(f"{name}={value}" for name, value in parameters)
        shown = redact(f"{path}?{query}")
        assert "SECRET" not in shown
        assert shown.startswith(f"{path}?")
        assert redact(shown) == shown

    @given(st.text(max_size=50))
    def test_text_without_a_query_or_user_is_unchanged(self, text: str) -> None:
        text = text.replace("?", "").replace("@", "")
        assert redact(text) == text


class TestPrintable:
    @given(st.text(max_size=400))
    def test_is_one_visible_line_of_bounded_length(self, text: str) -> None:
        shown = printable(text, 100)
        assert shown.isprintable()
        assert len(shown) <= 100 * 10 + 1

    @given(st.text(st.characters(categories=["L", "N", "P"]), max_size=100))
    def test_visible_text_is_unchanged(self, text: str) -> None:
        assert printable(text, 100) == text

    def test_shows_what_it_replaces_and_cuts(self) -> None:
        assert printable("a\r\nb\x1b[31m", 50) == "a\\r\\nb\\x1b[31m"
        assert printable("abcdef", 3) == "abc…"


class TestFilter:
    @pytest.fixture
    def logger(self) -> Iterator[tuple[logging.Logger, StringIO]]:
        """Return a logger with the filter, and what it writes."""
        logger = logging.getLogger("turnout.tests.access")
        logger.setLevel(logging.DEBUG)
        logger.propagate = False
        stream = StringIO()
        handler = logging.StreamHandler(stream)
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger.addHandler(handler)
        redaction = RedactQueryFilter()
        logger.addFilter(redaction)
        yield logger, stream
        logger.removeFilter(redaction)
        logger.removeHandler(handler)

    @pytest.mark.parametrize(
        ("message", "arguments", "written"),
        [
            ("GET /a?t=s 101", (), "GET /a?t=*** 101"),
            ("%s %d %.1fms", ("GET /a?t=s", 101, 0.5), "GET /a?t=*** 101 0.5ms"),
            ('%s - "%s"', ("192.0.2.1", "/a?t=s"), '192.0.2.1 - "/a?t=***"'),
            ("%(r)s %(q)s %(s)d", ({"r": "/a?t=s", "q": "t=s", "s": 101},), "/a?t=*** t=*** 101"),
            ("%s", (None,), "None"),
            ("100%% done?", (), "100%% done?"),
        ],
    )
    def test_redacts_messages_and_arguments(
        self,
        logger: tuple[logging.Logger, StringIO],
        message: str,
        arguments: tuple[Any, ...],
        written: str,
    ) -> None:
        log, stream = logger
        log.info(message, *arguments)
        assert stream.getvalue() == f"{written}\n"

    def test_redacts_extra_fields_as_aiohttp_sets_them(
        self, logger: tuple[logging.Logger, StringIO]
    ) -> None:
        log, stream = logger
        log.handlers[0].setFormatter(logging.Formatter("%(first_request_line)s %(headers)s"))
        extra = {
            "first_request_line": "GET /a?t=s HTTP/1.1",
            "headers": {"Referer": "http://x/?u=v"},
        }
        log.info("x", extra=extra)
        assert stream.getvalue() == "GET /a?t=*** HTTP/1.1 {'Referer': 'http://x/?u=***'}\n"
        assert extra["headers"] == {"Referer": "http://x/?u=v"}

    def test_keeps_the_class_of_a_mapping_that_formats_itself(
        self, logger: tuple[logging.Logger, StringIO]
    ) -> None:
        class Atoms(dict[str, str]):
            """As gunicorn's: whatever is missing is a dash."""

            def __missing__(self, key: str) -> str:
                return "-"

        log, stream = logger
        atoms = Atoms(r="GET /a?t=s HTTP/1.1")
        log.info("%(r)s %(x)s", atoms)
        assert stream.getvalue() == "GET /a?t=*** HTTP/1.1 -\n"
        assert atoms == {"r": "GET /a?t=s HTTP/1.1"}

    def test_an_exception_as_a_message_is_left_alone(
        self, logger: tuple[logging.Logger, StringIO]
    ) -> None:
        log, stream = logger
        log.error(ValueError("x"))
        assert stream.getvalue() == "x\n"

    def test_is_given_to_loggers_once(self) -> None:
        names = ("turnout.tests.one", "turnout.tests.two")
        redact_queries_of(*names)
        redact_queries_of(names[0])
        filters = [logging.getLogger(name).filters for name in names]
        assert [len(found) for found in filters] == [1, 1]
        for found in filters:
            assert isinstance(found.pop(), RedactQueryFilter)

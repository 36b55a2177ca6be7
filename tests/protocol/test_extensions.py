"""Sec-WebSocket-Extensions, and what is agreed about permessage-deflate."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.errors import TurnoutError
from turnout.options import Deflate
from turnout.protocol.extensions import (
    DeflateParameters,
    InvalidExtensionsError,
    WebSocketExtension,
    negotiate_deflate,
    parse_extensions,
)

DEFLATE = "permessage-deflate"
TOKEN_CHARACTERS = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
tokens = st.text(TOKEN_CHARACTERS, min_size=1, max_size=8)
extensions = st.builds(
    WebSocketExtension,
    tokens,
    st.lists(st.tuples(tokens, st.none() | tokens), max_size=4).map(tuple),
)


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("", []),
        (" , ,", []),
        ("a", [("a", ())]),
        ("a, b", [("a", ()), ("b", ())]),
        ("a;x;y=1 , b ; z = 2", [("a", (("x", None), ("y", "1"))), ("b", (("z", "2"),))]),
        ('a; x="1"', [("a", (("x", "1"),))]),
        (r'a; x="1\2"', [("a", (("x", "12"),))]),
        ("a; x; x=1", [("a", (("x", None), ("x", "1")))]),
        (",a,,b,", [("a", ()), ("b", ())]),
        ("a;\tx\t=\t1", [("a", (("x", "1"),))]),
    ],
)
def test_field(field: str, expected: list[tuple[str, tuple[tuple[str, str | None], ...]]]) -> None:
    assert parse_extensions(field) == [WebSocketExtension(*each) for each in expected]


@pytest.mark.parametrize(
    "field",
    [
        ";",
        "a;",
        "a; ;x",
        "a; x=",
        "a b",
        "a; x y",
        'a; x="',
        'a; x="1',
        'a; x=""',
        'a; x="1 2"',
        'a; x="1,2"',
        'a; x="1"2',
        '"a"',
        "a; =1",
        "a; x=(1)",
        "ä",
        "a; x=1\n",
        "a\x00",
    ],
)
def test_malformed_field(field: str) -> None:
    with pytest.raises(InvalidExtensionsError, match=r"RFC 6455 section 9\.1") as raised:
        parse_extensions(field)
    assert isinstance(raised.value, TurnoutError)
    assert isinstance(raised.value, ValueError)


def test_several_fields_are_one_list() -> None:
    assert parse_extensions(["a, b", "", "c; x"]) == [
        WebSocketExtension("a"),
        WebSocketExtension("b"),
        WebSocketExtension("c", (("x", None),)),
    ]


def test_one_malformed_field_of_several() -> None:
    with pytest.raises(InvalidExtensionsError):
        parse_extensions(["a", "b;"])


@given(st.lists(extensions, max_size=4))
def test_what_is_written_is_parsed_back(expected: list[WebSocketExtension]) -> None:
    assert parse_extensions(", ".join(map(str, expected))) == expected
    assert parse_extensions([str(each) for each in expected]) == expected


@given(st.text(max_size=30))
def test_any_text_is_parsed_or_refused(field: str) -> None:
    try:
        parsed = parse_extensions(field)
    except InvalidExtensionsError:
        return
    assert parse_extensions(", ".join(map(str, parsed))) == parsed


def test_an_extension_is_immutable() -> None:
    with pytest.raises(AttributeError):
        WebSocketExtension("a").name = "b"  # type: ignore[misc]  # this is the point


def agreed(offer: str, **settings: int) -> str | None:
    parameters = negotiate_deflate(parse_extensions(offer), Deflate(**settings))
    return None if parameters is None else parameters.response_header


@pytest.mark.parametrize(
    ("offer", "answer"),
    [
        (
            f"{DEFLATE}; client_max_window_bits",
            f"{DEFLATE}; server_max_window_bits=12; client_max_window_bits=12",
        ),
        (
            f"{DEFLATE}; client_max_window_bits=15; server_max_window_bits=15",
            f"{DEFLATE}; server_max_window_bits=12; client_max_window_bits=12",
        ),
        (
            f"{DEFLATE}; client_max_window_bits=10; server_max_window_bits=9",
            f"{DEFLATE}; server_max_window_bits=9; client_max_window_bits=10",
        ),
        (
            f'{DEFLATE}; client_max_window_bits="8"',
            f"{DEFLATE}; server_max_window_bits=12; client_max_window_bits=8",
        ),
        (
            f"{DEFLATE}; client_max_window_bits; server_no_context_takeover",
            (
                f"{DEFLATE}; server_no_context_takeover; server_max_window_bits=12;"
                " client_max_window_bits=12"
            ),
        ),
        (
            f"{DEFLATE}; client_no_context_takeover; client_max_window_bits",
            (
                f"{DEFLATE}; client_no_context_takeover; server_max_window_bits=12;"
                " client_max_window_bits=12"
            ),
        ),
    ],
)
def test_accepted_offer(offer: str, answer: str) -> None:
    assert agreed(offer) == answer


@pytest.mark.parametrize(
    "offer",
    [
        "",
        "x-webkit-deflate-frame",
        DEFLATE,
        f"{DEFLATE}; server_max_window_bits=9",
        f"{DEFLATE}; client_no_context_takeover",
        f"{DEFLATE}; client_max_window_bits; server_max_window_bits",
        f"{DEFLATE}; client_max_window_bits; server_max_window_bits=8",
        f"{DEFLATE}; client_max_window_bits; server_max_window_bits=7",
        f"{DEFLATE}; client_max_window_bits; server_max_window_bits=16",
        f"{DEFLATE}; client_max_window_bits; server_max_window_bits=09",
        f"{DEFLATE}; client_max_window_bits=abc",
        f"{DEFLATE}; client_max_window_bits=16",
        f"{DEFLATE}; client_max_window_bits=1O",
        f"{DEFLATE}; client_max_window_bits; client_max_window_bits",
        f"{DEFLATE}; client_max_window_bits; client_max_window_bits=12",
        f"{DEFLATE}; client_max_window_bits; server_no_context_takeover=1",
        f"{DEFLATE}; client_max_window_bits; client_no_context_takeover=true",
        f"{DEFLATE}; client_max_window_bits; unknown",
    ],
)
def test_declined_offer(offer: str) -> None:
    assert agreed(offer) is None


def test_the_first_acceptable_offer_is_taken() -> None:
    offer = (
        f"other, {DEFLATE}; unknown, {DEFLATE}; client_max_window_bits=11,"
        f" {DEFLATE}; client_max_window_bits=10"
    )
    assert agreed(offer) == f"{DEFLATE}; server_max_window_bits=12; client_max_window_bits=11"


def test_a_window_of_15_bits_needs_no_bound() -> None:
    assert agreed(DEFLATE, window_bits=15) == DEFLATE
    assert agreed(f"{DEFLATE}; client_max_window_bits", window_bits=15) == DEFLATE
    assert (
        agreed(f"{DEFLATE}; client_max_window_bits=9", window_bits=15)
        == f"{DEFLATE}; client_max_window_bits=9"
    )


def test_deflate_that_is_off_agrees_on_nothing() -> None:
    assert negotiate_deflate(parse_extensions(f"{DEFLATE}; client_max_window_bits"), None) is None


def test_own_settings_are_taken_over() -> None:
    offers = parse_extensions(f"{DEFLATE}; client_max_window_bits")
    parameters = negotiate_deflate(offers, Deflate(window_bits=10, memory_level=3, threshold=7))
    assert parameters == DeflateParameters(10, 10, memory_level=3, threshold=7)


@given(
    st.lists(
        st.sampled_from(
            [
                ("server_no_context_takeover", None),
                ("client_no_context_takeover", None),
                *(("server_max_window_bits", str(bits)) for bits in range(8, 16)),
                ("client_max_window_bits", None),
                *(("client_max_window_bits", str(bits)) for bits in range(8, 16)),
            ]
        ),
        unique_by=lambda parameter: parameter[0],
    ),
    st.integers(9, 15),
)
def test_every_answer_is_legal_and_bounded(
    parameters: list[tuple[str, str | None]], window_bits: int
) -> None:
    """RFC 7692 section 7.1, seen from the client."""
    offered = dict(parameters)
    offer = WebSocketExtension(DEFLATE, tuple(parameters))
    answer = negotiate_deflate([offer], Deflate(window_bits=window_bits))
    if answer is None:
        unbounded = "client_max_window_bits" not in offered and window_bits < 15
        assert unbounded or offered.get("server_max_window_bits") == "8"
        return
    [parsed] = parse_extensions(answer.response_header)
    said = dict(parsed.parameters)
    assert 9 <= answer.server_max_window_bits <= window_bits
    assert answer.client_max_window_bits <= window_bits
    assert int(said.get("server_max_window_bits") or 15) == answer.server_max_window_bits
    assert answer.server_max_window_bits <= int(offered.get("server_max_window_bits") or 15)
    assert ("server_no_context_takeover" in said) == ("server_no_context_takeover" in offered)
    assert int(said.get("client_max_window_bits") or 15) <= int(
        offered.get("client_max_window_bits") or 15
    )
    if "client_max_window_bits" in said:
        assert "client_max_window_bits" in offered

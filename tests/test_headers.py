"""Header fields: order, repetition, case, lists, and what may not be sent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.headers import Headers, split_list

names = st.sampled_from(["Accept", "accept", "ACCEPT", "Cookie", "X-One"])
values = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=8)
fields = st.lists(st.tuples(names, values), max_size=8)
members = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=","))


@given(fields)
def test_fields_come_back_in_order(pairs: list[tuple[str, str]]) -> None:
    assert Headers(pairs).fields() == pairs


@given(fields, names)
def test_looking_up_ignores_case_and_keeps_every_line(
    pairs: list[tuple[str, str]], name: str
) -> None:
    headers = Headers(pairs)
    expected = [value for key, value in pairs if key.lower() == name.lower()]
    assert headers.get_all(name) == expected
    assert (name in headers) is bool(expected)
    assert headers.get(name) == (", ".join(expected) if expected else None)


@given(fields)
def test_is_a_mapping_of_distinct_names(pairs: list[tuple[str, str]]) -> None:
    headers = Headers(pairs)
    assert len(list(headers)) == len(headers) == len({name.lower() for name, _ in pairs})
    assert all(name in headers for name in headers)


@given(fields, names, values)
def test_set_replaces_every_line_and_remove_drops_them(
    pairs: list[tuple[str, str]], name: str, value: str
) -> None:
    headers = Headers(pairs)
    others = [field for field in pairs if field[0].lower() != name.lower()]
    headers.set(name, value)
    assert headers.fields() == [*others, (name, value)]
    headers.remove(name.upper())
    assert headers.fields() == others


@given(fields)
def test_a_copy_is_independent(pairs: list[tuple[str, str]]) -> None:
    headers = Headers(pairs)
    copied = headers.copy()
    headers.add("X-Two", "2")
    assert copied.fields() == pairs


@given(
    st.lists(st.lists(members.filter(bool), max_size=4), max_size=4),
    st.sampled_from([",", ", ", "\t,  ", ",,", " , ,"]),
)
def test_a_list_is_split_over_all_its_lines(lines: list[list[str]], separator: str) -> None:
    headers = Headers(("Accept", separator.join(line)) for line in lines)
    assert headers.get_list("accept") == [member for line in lines for member in line]


@given(st.text(max_size=40))
def test_no_member_of_a_list_is_empty_or_padded(text: str) -> None:
    assert all(member and member == member.strip(" \t") for member in split_list(text))


@given(st.characters(codec="utf-8"))
def test_only_what_may_be_sent_is_taken(character: str) -> None:
    allowed = character == "\t" or "\x20" <= character <= "\x7e" or "\x80" <= character <= "\xff"
    if allowed:
        assert Headers([("A", f"a{character}b")])["a"] == f"a{character}b"
    else:
        with pytest.raises(ValueError, match="may not be sent"):
            Headers([("A", f"a{character}b")])


@pytest.mark.parametrize("name", ["", "a b", "a:", "é", "a\r\nb", "a\n"])
def test_a_name_is_a_token(name: str) -> None:
    with pytest.raises(ValueError, match="not a header name"):
        Headers([(name, "x")])


def test_shows_names_only() -> None:
    assert repr(Headers({"Cookie": "secret", "Accept": "*/*"})) == "Headers(Cookie, Accept)"


def test_a_default_may_be_named() -> None:
    fields = Headers({"Host": "h"})
    assert fields.get("host", default="none") == "h"
    assert fields.get("origin", default="none") == "none"
    assert fields.get("origin") is None


def test_giving_the_index_back_changes_nothing() -> None:
    fields = Headers([("A", "1"), ("a", "2")])
    assert fields["a"] == "1, 2"
    fields.drop_index()
    assert (fields["a"], fields.get_all("A"), "a" in fields) == ("1, 2", ["1", "2"], True)


def test_who_looks_while_another_builds_the_index_sees_every_field() -> None:
    """Threads may share a request; the one that comes second must not see half of an index."""
    seen: list[str | None] = []

    class Interrupted(str):
        __slots__ = ()

        def lower(self) -> str:
            if not seen:
                seen.append(None)
                seen[0] = headers.get("last")
            return super().lower()

    headers = Headers.trusted([(Interrupted("First"), "1"), ("Last", "2")])
    assert headers["first"] == "1"
    assert seen == ["2"]

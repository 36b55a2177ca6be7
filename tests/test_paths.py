"""Path templates: what they match, which one wins, and what is refused when registering."""

from __future__ import annotations

from itertools import product
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.errors import ConfigurationError
from turnout.paths import PathPattern, PathTable, PathTemplate


def table(*templates: str) -> PathTable[str]:
    """Return a table that maps each template to itself."""
    built: PathTable[str] = PathTable()
    for template in templates:
        built.add(template, template)
    return built


@pytest.mark.parametrize(
    ("template", "path", "variables"),
    [
        ("/", "/", {}),
        ("/echo", "/echo", {}),
        ("/chat/{room}", "/chat/lobby", {"room": "lobby"}),
        ("/chat/{room}/{user_1}", "/chat/a/b", {"room": "a", "user_1": "b"}),
        ("/chat/{room}", "/chat/caf%C3%A9", {"room": "café"}),
        ("/chat/{room}", "/chat/a%2Fb", {"room": "a/b"}),
        ("/chat/{room}", "/chat/a+b%3F", {"room": "a+b?"}),
        ("/{a}/x", "/b/x", {"a": "b"}),
        ("/x/{rest:path}", "/x/", {"rest": ""}),
        ("/x/{rest:path}", "/x/a/b%20c/", {"rest": "a/b c/"}),
        ("/{rest:path}", "/", {"rest": ""}),
        ("/café", "/caf%C3%A9", {}),
        ("/caf%C3%A9", "/caf%c3%a9", {}),
        ("/a%20b", "/a%20b", {}),
        ("/echo", "/%65cho", {}),
        ("/a//b", "/a//b", {}),
    ],
)
def test_matches(template: str, path: str, variables: dict[str, str]) -> None:
    assert table(template).match(path) == (template, variables)


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("/echo", "/echo/"),
        ("/echo/", "/echo"),
        ("/echo", "/Echo"),
        ("/echo", "echo"),
        ("/echo", ""),
        ("/echo", "*"),
        ("/chat/{room}", "/chat/"),
        ("/chat/{room}", "/chat"),
        ("/chat/{room}", "/chat/a/b"),
        ("/a/b", "/a%2Fb"),
        ("/x/{rest:path}", "/x"),
        ("/chat/{room}", "/chat/%FF"),
        ("/chat/{room}", "/chat/%C3"),
        ("/chat/{room}", "/chat/.."),
        ("/chat/{room}", "/chat/%2e%2E"),
        ("/chat/{room}", "/chat/."),
        ("/x/{rest:path}", "/x/a/../../etc/passwd"),
        ("/x/{rest:path}", "/x/..%2F..%2Fetc"),
    ],
)
def test_does_not_match(template: str, path: str) -> None:
    assert table(template).match(path) is None


def test_the_most_specific_template_wins_whatever_the_order() -> None:
    templates = ["/{rest:path}", "/a/{x}", "/a/{rest:path}", "/{y}/b", "/a/b", "/{y}/{x}"]
    wins = {
        "/a/b": "/a/b",
        "/a/c": "/a/{x}",
        "/a/b/c": "/a/{rest:path}",
        "/c/b": "/{y}/b",
        "/c/d": "/{y}/{x}",
        "/c": "/{rest:path}",
        "/c/d/e": "/{rest:path}",
    }
    for order in (templates, templates[::-1]):
        found = table(*order)
        assert {path: (found.match(path) or ("none",))[0] for path in wins} == wins


def test_goes_back_when_the_more_specific_branch_is_a_dead_end() -> None:
    found = table("/a/b/c", "/{x}/b/{y}", "/a/{z}/d").match("/a/b/e")
    assert found == ("/{x}/b/{y}", {"x": "a", "y": "e"})


@pytest.mark.parametrize(
    "template",
    [
        "",
        "echo",
        "/a?b",
        "/a#b",
        "/{}",
        "/{1a}",
        "/{a:int}",
        "/{a}b",
        "/a{b}",
        "/{a",
        "/a}",
        "/{a}/{a}",
        "/{a:path}/b",
        "/a/../b",
        "/%2e",
        "/%FF",
    ],
)
def test_refuses_a_malformed_template(template: str) -> None:
    with pytest.raises(ConfigurationError):
        PathTemplate(template)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("/a", "/a"),
        ("/a/{x}", "/a/{y}"),
        ("/a/{x:path}", "/a/{y:path}"),
        ("/é", "/%C3%A9"),
        ("/%61", "/a"),
    ],
)
def test_refuses_a_duplicate_and_names_both(first: str, second: str) -> None:
    built = table(first)
    with pytest.raises(ConfigurationError) as refused:
        built.add(second, second)
    assert first in str(refused.value)
    assert second in str(refused.value)
    assert len(built) == 1


def test_lists_its_templates_in_order() -> None:
    assert [t.text for t in table("/b", "/{a}").templates] == ["/b", "/{a}"]


texts = st.text(min_size=1, max_size=6).filter(lambda text: not {".", ".."} & set(text.split("/")))
"""Any text that a segment can stand for, slashes and control characters too."""


def sent(text: str) -> str:
    """Encode a segment as a client does."""
    return quote(text, safe="")


@given(st.lists(texts, min_size=1, max_size=4))
def test_variables_are_what_the_client_encoded(values: list[str]) -> None:
    names = [f"v{number}" for number in range(len(values))]
    template = "/" + "/".join(f"{{{name}}}" for name in names)
    found = table(template).match("/" + "/".join(map(sent, values)))
    assert found == (template, dict(zip(names, values, strict=True)))


@given(st.lists(texts, max_size=4))
def test_the_rest_is_every_remaining_segment(values: list[str]) -> None:
    found = table("/x/{rest:path}").match("/x/" + "/".join(map(sent, values)))
    assert found == ("/x/{rest:path}", {"rest": "/".join(values)})


@given(st.text(max_size=40))
def test_any_text_is_matched_or_not_without_an_error(path: str) -> None:
    built = table("/", "/{a}", "/a/{b}/c", "/x/{rest:path}")
    found = built.match(path)
    assert found is None or path.startswith("/")


parts = st.sampled_from(["a", "b", "{x}", "{y}", "{z}"])
templates = st.lists(parts, min_size=1, max_size=3, unique=True).flatmap(
    lambda chosen: st.sampled_from(["/" + "/".join(chosen), "/" + "/".join([*chosen, "{r:path}"])])
)


def ranked(template: str, path: str) -> list[int] | None:
    """Match by brute force: None, or 0, 1, 2 for literal, variable, rest at each segment."""
    rank: list[int] = []
    segments, pieces = path[1:].split("/"), template[1:].split("/")
    for position, piece in enumerate(pieces):
        if piece == "{r:path}":
            return [*rank, 2] if position < len(segments) else None
        if position >= len(segments):
            return None
        if piece.startswith("{") and segments[position]:
            rank.append(1)
        elif piece == segments[position]:
            rank.append(0)
        else:
            return None
    return rank if len(pieces) == len(segments) else None


@given(st.lists(templates, min_size=1, max_size=8))
def test_agrees_with_comparing_every_template(chosen: list[str]) -> None:
    built: PathTable[str] = PathTable()
    kept = []
    for template in chosen:
        try:
            built.add(template, template)
        except ConfigurationError:
            continue
        kept.append(template)
    for length in range(1, 4):
        for segments in product(["a", "b", "c", ""], repeat=length):
            path = "/" + "/".join(segments)
            ranks = {t: r for t in kept if (r := ranked(t, path)) is not None}
            best = min(ranks, key=lambda t: ranks[t]) if ranks else None
            found = built.match(path)
            assert (found and found[0]) == best, path


def test_a_long_path_costs_no_more_than_the_table_is_large() -> None:
    built = table("/a/{x}/a/{y}/a/{z}", "/{x}/a/{y}/a/{z}/b", "/a/a/a/a/a/c")
    assert built.match("/a" * 100_000) is None


@pytest.mark.parametrize(
    ("pattern", "path", "holds"),
    [
        ("/api/**", "/api", True),
        ("/api/**", "/api/", True),
        ("/api/**", "/api/a/b", True),
        ("/api/**", "/apis", False),
        ("/api/**", "/api%2Fa", False),
        ("/**", "/", True),
        ("/**", "/a/b", True),
        ("/v*/chat", "/v1/chat", True),
        ("/v*/chat", "/v/chat", True),
        ("/v*/chat", "/v1/x/chat", False),
        ("/*.js", "/a.js", True),
        ("/*.js", "/axjs", False),
        ("/chat/{room}", "/chat/a", True),
        ("/chat/{room}", "/chat/", False),
        ("/chat/{room}/**", "/chat/a/b/c", True),
        ("/chat", "/chat/a", False),
        ("/chat", "/%63hat", True),
        ("/**", "/%FF", False),
    ],
)
def test_a_pattern_is_a_set_of_paths(pattern: str, path: str, holds: bool) -> None:
    assert PathPattern(pattern).matches(path) is holds


@pytest.mark.parametrize("pattern", ["", "api", "/a/**/b", "/a**", "/{a", "/{rest:path}", "/../a"])
def test_refuses_a_malformed_pattern(pattern: str) -> None:
    with pytest.raises(ConfigurationError):
        PathPattern(pattern)

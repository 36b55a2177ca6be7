"""The page over plain HTTP, on every engine; and that it holds the limits of the chat."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import pytest
from tests.demo.engines import Demo

from turnout.demo import chat
from turnout.testing import HttpResponse, RawClient

PAGE = Path(chat.__file__).with_name("page.html")


def fetch(demo: Demo, method: str = "GET", **headers: str) -> HttpResponse:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    with RawClient(("127.0.0.1", demo.port)) as client:
        return client.fetch("/", method=method, headers=fields)


def test_the_page_and_its_headers(demo: Demo) -> None:
    answer = fetch(demo)
    assert (answer.status, answer.body) == (200, PAGE.read_bytes())
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert fetch(demo, If_None_Match=f'"old", W/{answer.headers["etag"]}').status == 304
    assert fetch(demo, If_None_Match='"old"').status == 200
    demo.stop()


def test_other_methods_are_refused(demo: Demo) -> None:
    answer = fetch(demo, "POST")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")


def test_head_answers_without_the_body(demo: Demo) -> None:
    with RawClient(("127.0.0.1", demo.port)) as client:
        client.stream.write(b"HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        head, _, body = client.stream.read_to_end().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert f"content-length: {PAGE.stat().st_size}" in head.decode().lower()
    assert body == b""


def test_the_policy_allows_the_style_and_the_script_of_the_page_by_hash() -> None:
    policy = dict(chat.PAGE.fields)["Content-Security-Policy"]
    for element in ("style", "script"):
        (content,) = re.findall(rf"<{element}>(.*?)</{element}>", PAGE.read_text(), re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{element}-src 'sha256-{digest}'" in policy.split("; ")
    assert "unsafe" not in policy


@pytest.mark.parametrize(
    ("field", "limit"),
    [("name", chat.MAX_NAME), ("room", chat.MAX_ROOM), ("text", chat.MAX_TEXT)],
)
def test_the_page_has_the_limits_of_the_chat(field: str, limit: int) -> None:
    (written,) = re.findall(rf'<input [^>]*name="{field}"[^>]*maxlength="(\d+)"', PAGE.read_text())
    assert int(written) == limit


def test_the_page_needs_nothing_from_elsewhere() -> None:
    text = PAGE.read_text().replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://|@import|\bsrc=|innerHTML|insertAdjacentHTML|eval\(", text)

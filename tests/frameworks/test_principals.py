"""What counts as a user, and as his name."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from turnout_adapters.principals import principal_of


@pytest.mark.parametrize(
    ("user", "name"),
    [
        ("ada", "ada"),
        (SimpleNamespace(name="ada"), "ada"),
        (SimpleNamespace(username="ada", is_authenticated=True), "ada"),
        (SimpleNamespace(display_name="ada", is_authenticated=True), "ada"),
        (SimpleNamespace(display_name="", is_authenticated=False), None),
        (SimpleNamespace(id=1), None),
        ("", None),
        (None, None),
    ],
)
def test_the_name_of_a_user(user: Any, name: str | None) -> None:
    principal = principal_of(user)
    assert (None if principal is None else principal.name) == name
    assert principal is None or principal.native is user

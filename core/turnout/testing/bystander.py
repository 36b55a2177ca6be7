"""A connection beside the one that misbehaves: it must notice nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from turnout.testing.client import Connect, RawClient

__all__ = ["check_answered", "undisturbed"]


@contextmanager
def undisturbed(connect: Connect) -> Iterator[RawClient]:
    """Hold an echoing connection open; it must be answered at the end as at the beginning.

    Yields it, so that a test can ask for an echo in the middle of what it does to the server.
    """
    bystander = connect("/async/echo")
    check_answered(bystander)
    yield bystander
    check_answered(bystander)


def check_answered(bystander: RawClient) -> None:
    """Send a message and read it back."""
    bystander.send_text("undisturbed")
    assert bystander.read_text() == "undisturbed"

"""Text that has no UTF-8 is its sender's error on every engine: nothing of it is sent."""

from __future__ import annotations

from typing import Any

import pytest

SUBJECT = "tests.adapters.unsendable_subject:registry"


@pytest.mark.parametrize("colour", ["async", "plain"])
def test_text_without_utf8(start_server: Any, colour: str) -> None:
    server = start_server(subject=SUBJECT)
    with server.connect() as client:
        client.open(f"/{colour}")
        for _ in range(2):
            client.send_text("go on")
            assert client.read_text() == "2 refused"

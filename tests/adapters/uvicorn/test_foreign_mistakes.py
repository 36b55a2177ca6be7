"""What ASGI does not allow raises in the application, which then ends as any that raises."""

from __future__ import annotations

import queue
from collections.abc import Callable
from typing import Any

import pytest
from tests.adapters.uvicorn.running import TIMEOUT, RunningUvicorn

Run = Callable[..., RunningUvicorn]

ACCEPT = {"type": "websocket.accept"}
MISTAKES: dict[str, tuple[list[dict[str, Any]], str]] = {
    "a send before the accept": ([{"type": "websocket.send", "text": ""}], "RuntimeError"),
    "a second accept": ([ACCEPT, ACCEPT], "RuntimeError"),
    "an unknown event": ([ACCEPT, {"type": "websocket.open"}], "RuntimeError"),
    "a message of nothing": ([ACCEPT, {"type": "websocket.send"}], "TypeError"),
    "text that is none": ([ACCEPT, {"type": "websocket.send", "text": b""}], "TypeError"),
    "an illegal close code": (
        [ACCEPT, {"type": "websocket.close", "code": 1005}],
        "InvalidCloseError",
    ),
    "a reason too long": (
        [ACCEPT, {"type": "websocket.close", "reason": "x" * 124}],
        "InvalidCloseError",
    ),
    "the server's own header": (
        [{**ACCEPT, "headers": [(b"sec-websocket-accept", b"x")]}],
        "RuntimeError",
    ),
    "a header in a header": ([{**ACCEPT, "headers": [(b"x", b"a\r\nb: c")]}], "ValueError"),
    "a denial with 101": (
        [{"type": "websocket.http.response.start", "status": 101, "headers": []}],
        "RuntimeError",
    ),
    "a denial without a body": (
        [
            {"type": "websocket.http.response.start", "status": 401, "headers": []},
            {"type": "websocket.send", "text": ""},
        ],
        "RuntimeError",
    ),
    "a close after a refusal": (
        [{"type": "websocket.close"}, {"type": "websocket.close"}],
        "RuntimeError",
    ),
}


@pytest.mark.parametrize("mistake", list(MISTAKES))
def test_mistake_of_the_application(run: Run, mistake: str) -> None:
    events, expected = MISTAKES[mistake]
    seen: queue.Queue[str] = queue.Queue()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            for event in events:
                await send(event)
        except Exception as error:
            seen.put(type(error).__name__)
            raise

    client = run(app, lifespan="off").connect()
    status = client.handshake("/").status
    assert seen.get(timeout=TIMEOUT) == expected
    if events[0] is ACCEPT:
        assert (status, client.read_close()) == (101, (1011, ""))
    else:
        assert status == (403 if events[0]["type"] == "websocket.close" else 500)

"""turnout in front of a WSGI application that `gunicorn -k gthread` serves."""

from __future__ import annotations

import signal

from tests.adapters.gunicorn_host import Run
from tests.adapters.gunicorn_mounted import *  # noqa: F403  # the tests of both workers

from turnout.testing.frames import TEXT, encode_frame


def test_one_thread_stays_free_for_http_when_websockets_have_all_others(run: Run) -> None:
    gunicorn = run(threads=3)
    with gunicorn.connect("/echo") as first, gunicorn.connect("/echo") as second:
        for _ in range(3):
            with gunicorn.connect() as third:
                response = third.handshake("/echo")
                assert response.status == 503
                assert response.body == b"The server has no thread left for another WebSocket."
                assert third.fetch("/").status == 200
        first.close()
        gunicorn.wait_for('"GET /echo HTTP/1.1" 101 ')  # its thread is free now
        with gunicorn.connect("/echo") as third:
            third.send_text("taken")
            assert third.read_text() == "taken"
        second.close()


def test_a_worker_with_one_thread_serves_http_only(run: Run) -> None:
    with run(threads=1).connect() as client:  # gunicorn makes it a sync worker
        assert client.handshake("/echo").status in (500, 503)
        assert client.fetch("/").status == 200


def test_behind_a_middleware_the_bound_holds_and_frames_are_not_lost(run: Run) -> None:
    gunicorn = run(app="behind_a_wrapper", threads=2)
    with gunicorn.connect() as client, gunicorn.connect() as late:
        request = client.handshake_request("/echo").encode() + encode_frame(TEXT, b"early")
        response = client.request(request)
        assert response.status == 101
        assert "X-Wrapped" not in response.headers
        assert client.read_text() == "early"
        assert late.handshake("/echo").status == 503
        client.send_close(1000)
        assert client.read_close() == (1000, "")
        assert client.stream.read_to_end() == b""


def test_a_thread_that_does_not_return_is_named(run: Run) -> None:
    gunicorn = run("--graceful-timeout", "4")
    with gunicorn.connect("/stuck") as client:
        assert client.read_text() == "stuck"
        gunicorn.signal(signal.SIGTERM)
        assert client.answer_close() == (1001, "")
        gunicorn.wait_for(r"thread turnout-\w+ still runs the handler")

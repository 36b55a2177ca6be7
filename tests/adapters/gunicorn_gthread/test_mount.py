"""turnout in front of a WSGI application that `gunicorn -k gthread` serves."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from tests.adapters.gunicorn_gthread.conftest import Run

from turnout.testing.certificates import Certificate
from turnout.testing.client import RawClient
from turnout.testing.frames import CLOSE, TEXT, close_payload, encode_frame
from turnout.testing.http import read_response


def test_a_websocket_beside_the_hosts_routes(run: Run) -> None:
    gunicorn = run()
    with gunicorn.connect("/echo") as client, gunicorn.connect() as other:
        client.send_text("hello")
        assert client.read_text() == "hello"
        for target in ("/", "/echo", "/no/such"):  # a plain GET of a WebSocket's path is the host's
            response = other.fetch(target)
            assert (response.status, response.headers["X-Host"]) == (200, "yes")
        assert client.close(4001, "bye") == (4001, "bye")
    assert gunicorn.stop() == 0
    assert "Traceback" not in gunicorn.output


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


def test_frames_that_come_with_the_request_are_delivered(run: Run) -> None:
    with run().connect() as client:
        request = client.handshake_request("/echo").encode()
        frames = b"".join(encode_frame(TEXT, str(number).encode()) for number in range(3))
        client.stream.write(request + frames)
        assert read_response(client.stream, head_only=True).status == 101
        assert [client.read_text() for _ in range(3)] == ["0", "1", "2"]


def test_gunicorn_writes_and_reads_nothing_after_the_session(run: Run) -> None:
    gunicorn = run()
    with gunicorn.connect("/echo") as client:
        smuggled = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
        client.stream.write(encode_frame(CLOSE, close_payload(1000, b"")) + smuggled)
        assert client.read_close() == (1000, "")
        assert client.stream.read_to_end() == b""
    gunicorn.wait_for('"GET /echo HTTP/1.1" 101 ')
    assert "smuggled" not in gunicorn.output


def test_what_a_session_knows_of_its_request(run: Run) -> None:
    gunicorn = run()
    proxied = (("X-Forwarded-Proto", "https"), ("X-Twice", "1"), ("X-Twice", "2"))
    with gunicorn.connect("/facts?a=%20b", headers=proxied) as client:
        facts = json.loads(client.read_text())
        assert facts["uri"] == f"http://{gunicorn.place}/facts?a=%20b"
        assert facts["headers"] == ["1", "2"]
        assert facts["local"] == list(gunicorn.address)
        assert facts["remote"] == list(client.stream.socket.getsockname())


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


@pytest.mark.parametrize(
    ("number", "arguments"),
    [
        (signal.SIGTERM, ()),
        (signal.SIGTERM, ("--preload",)),
        (signal.SIGINT, ()),
        (signal.SIGQUIT, ()),
    ],
)
def test_a_signal_closes_every_session(
    run: Run, number: signal.Signals, arguments: tuple[str, ...]
) -> None:
    gunicorn = run(*arguments)
    with gunicorn.connect("/echo") as client:
        client.send_text("hello")
        assert client.read_text() == "hello"
        gunicorn.signal(number)
        assert client.read_close() == (1001, "")
        client.send_close(1001)
    assert gunicorn.wait() == 0


def test_a_worker_that_has_had_its_requests_drains(run: Run) -> None:
    gunicorn = run("--max-requests", "2")
    with gunicorn.connect("/facts") as client, gunicorn.connect() as other:
        process = json.loads(client.read_text())["process"]
        assert other.fetch("/").status == 200
        assert client.answer_close() == (1001, "")
    with gunicorn.connect("/facts") as third:
        assert json.loads(third.read_text())["process"] != process


def test_a_thread_that_does_not_return_is_named(run: Run) -> None:
    gunicorn = run("--graceful-timeout", "4")
    with gunicorn.connect("/stuck") as client:
        assert client.read_text() == "stuck"
        gunicorn.signal(signal.SIGTERM)
        assert client.answer_close() == (1001, "")
        gunicorn.wait_for(r"thread turnout-\w+ still runs the handler")


def test_tls(run: Run, tmp_path: Path) -> None:
    certificate = Certificate.make(tmp_path)
    gunicorn = run("--certfile", str(certificate.chain), "--keyfile", str(certificate.key))
    with RawClient(gunicorn.address, tls=certificate.client_context()) as client:
        client.open("/facts")
        assert json.loads(client.read_text())["uri"].startswith("https://")
        assert client.close()[0] == 1000
    with RawClient(gunicorn.address, tls=certificate.client_context()) as client:
        client.open("/echo")
        client.send_text("x" * 300_000)
        assert client.read_text() == "x" * 300_000
        gunicorn.signal(signal.SIGTERM)
        assert client.answer_close() == (1001, "")
    assert gunicorn.wait() == 0
    assert "Traceback" not in gunicorn.output


def test_another_worker_is_refused_with_what_to_do(run: Run) -> None:
    gunicorn = run(worker="sync", threads=1)
    with gunicorn.connect() as client:
        assert client.handshake("/echo").status == 500
    gunicorn.wait_for("needs gunicorn's gthread worker: -k gthread")

"""turnout in front of a WSGI application under gunicorn; imported for each of its workers."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from tests.adapters.gunicorn_host import Run, worker_of
from tests.command_lines import CommandLine

from turnout.testing.certificates import Certificate
from turnout.testing.client import RawClient
from turnout.testing.frames import CLOSE, TEXT, close_payload, encode_frame
from turnout.testing.http import read_response


def test_the_hosts_routes_are_untouched(gunicorn: CommandLine) -> None:
    with gunicorn.connect() as client:
        for target in ("/", "/echo", "/no/such"):  # a plain GET of a WebSocket's path is the host's
            response = client.fetch(target)
            assert (response.status, response.headers["X-Host"]) == (200, "yes")
            assert response.body == f"host saw {target} ".encode()
        assert client.fetch("/x", method="POST", body=b"body").body == b"host saw /x body"
        assert client.handshake("/no/such").headers["X-Host"] == "yes"


def test_a_websocket_beside_them(gunicorn: CommandLine) -> None:
    with gunicorn.connect("/echo") as client:
        client.send_text("hello")
        assert client.read_text() == "hello"
        assert client.close(4001, "bye") == (4001, "bye")


def test_the_101_is_what_core_made_it(gunicorn: CommandLine) -> None:
    with gunicorn.connect() as client:
        response = client.handshake("/echo")
        names = [name.lower() for name, _ in response.headers.fields()]
        assert names == ["upgrade", "connection", "sec-websocket-accept"]


def test_frames_that_come_with_the_request_are_delivered(gunicorn: CommandLine) -> None:
    with gunicorn.connect() as client:
        request = client.handshake_request("/echo").encode()
        frames = b"".join(encode_frame(TEXT, str(number).encode()) for number in range(3))
        client.stream.write(request + frames)
        assert read_response(client.stream, head_only=True).status == 101
        assert [client.read_text() for _ in range(3)] == ["0", "1", "2"]


def test_a_refusal_leaves_the_connection_to_further_requests(gunicorn: CommandLine) -> None:
    with gunicorn.connect() as client:
        assert client.handshake("/refused").status == 401
        assert client.handshake("/echo", version="12").status == 426
        client.open("/echo")


def test_gunicorn_writes_and_reads_nothing_after_the_session(gunicorn: CommandLine) -> None:
    with gunicorn.connect("/echo") as client:
        smuggled = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
        client.stream.write(encode_frame(CLOSE, close_payload(1000, b"")) + smuggled)
        assert client.read_close() == (1000, "")
        assert client.stream.read_to_end() == b""
    assert "smuggled" not in gunicorn.output


def test_the_access_log_has_the_session_at_its_end(gunicorn: CommandLine) -> None:
    with gunicorn.connect("/echo?mark=1") as client:
        assert "mark=1" not in gunicorn.output
        client.close()
    gunicorn.wait_for(r'"GET /echo\?mark=1 HTTP/1.1" 101 ')


def test_what_a_session_knows_of_its_request(gunicorn: CommandLine) -> None:
    proxied = (("X-Forwarded-Proto", "https"), ("X-Twice", "1"), ("X-Twice", "2"))
    with gunicorn.connect("/facts?a=%20b", headers=proxied) as client:
        facts = json.loads(client.read_text())
        assert facts["uri"] == f"http://{gunicorn.place}/facts?a=%20b"
        assert facts["headers"] == ["1", "2"]
        assert facts["local"] == list(gunicorn.address)
        assert facts["remote"] == list(client.stream.socket.getsockname())


@pytest.mark.parametrize(
    ("number", "preload"),
    [
        (signal.SIGTERM, ()),
        (signal.SIGTERM, ("--preload",)),
        (signal.SIGINT, ()),
        (signal.SIGQUIT, ()),
    ],
)
def test_a_signal_closes_every_session(
    run: Run, number: signal.Signals, preload: tuple[str, ...]
) -> None:
    gunicorn = run(*preload)
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


def test_another_worker_is_refused_with_what_to_do(
    run: Run, request: pytest.FixtureRequest
) -> None:
    gunicorn = run(worker="sync", threads=1)
    with gunicorn.connect() as client:
        assert client.handshake("/echo").status == 500
    needed = worker_of(request)
    gunicorn.wait_for(f"needs gunicorn's {needed} worker: -k {needed}")


def test_tls(run: Run, tmp_path: Path) -> None:
    certificate = Certificate.make(tmp_path)
    gunicorn = run("--certfile", str(certificate.chain), "--keyfile", str(certificate.key))
    context = certificate.client_context()
    with RawClient(gunicorn.address, tls=context) as client:
        request = client.handshake_request("/facts").encode() + encode_frame(TEXT, b"early")
        assert client.request(request).status == 101
        assert json.loads(client.read_text())["uri"].startswith("https://")
        assert client.answer_close() == (1000, "")
    with RawClient(gunicorn.address, tls=context) as client:
        client.open("/echo")
        client.send_text("x" * 300_000)
        assert client.read_text() == "x" * 300_000
        gunicorn.signal(signal.SIGTERM)
        assert client.answer_close() == (1001, "")
    assert gunicorn.wait() == 0
    assert "Traceback" not in gunicorn.output

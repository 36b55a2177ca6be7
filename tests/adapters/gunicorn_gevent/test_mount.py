"""turnout in front of a WSGI application that `gunicorn -k gevent` serves."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from tests.adapters.gunicorn_gevent.conftest import Run
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


@pytest.mark.parametrize("app", ["behind_a_wrapper", "behind_a_writer"])
def test_a_middleware_that_wraps_start_response(run: Run, app: str) -> None:
    gunicorn = run(app=app)
    with gunicorn.connect() as client:
        assert client.fetch("/").headers["X-Wrapped"] == "yes"
        request = client.handshake_request("/echo").encode() + encode_frame(TEXT, b"early")
        response = client.request(request)
        assert response.status == 101
        assert "X-Wrapped" not in response.headers
        assert client.read_text() == "early"
        client.send_close(1000)
        assert client.read_close() == (1000, "")
        assert client.stream.read_to_end() == b""


def test_where_bytes_would_be_lost_there_is_no_upgrade(run: Run) -> None:
    gunicorn = run(app="behind_a_reader")
    with gunicorn.connect() as client:
        assert client.handshake("/echo").status == 500
    gunicorn.wait_for("a middleware has replaced wsgi.input")


@pytest.mark.parametrize("target", ["/below/echo", "/b%65low/echo"])
def test_below_a_prefix(run: Run, target: str) -> None:
    with run(app="below_a_prefix").connect(target) as client:
        client.send_text("hello")
        assert client.read_text() == "hello"


def test_another_worker_is_refused_with_what_to_do(run: Run) -> None:
    gunicorn = run(worker="sync")
    with gunicorn.connect() as client:
        assert client.handshake("/echo").status == 500
    gunicorn.wait_for("needs gunicorn's gevent worker: -k gevent")


@pytest.mark.parametrize("worker", ["gevent", "gevent_pywsgi"])
@pytest.mark.parametrize("preload", [(), ("--preload",)], ids=["", "preload"])
def test_sigterm_drains(run: Run, worker: str, preload: tuple[str, ...]) -> None:
    worker = {"gevent_pywsgi": "gunicorn.workers.ggevent.GeventPyWSGIWorker"}.get(worker, worker)
    gunicorn = run(*preload, worker=worker)
    with gunicorn.connect("/echo") as client, gunicorn.connect("/echo") as silent:
        client.send_text("hello")
        assert client.read_text() == "hello"
        gunicorn.signal(signal.SIGTERM)
        assert client.answer_close() == (1001, "")
        assert silent.read_close() == (1001, "")
        assert silent.stream.read_to_end() == b""  # cut after close_timeout
    assert gunicorn.wait() == 0
    assert gunicorn.output.count("closed 1001") == 2
    assert "Traceback" not in gunicorn.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_a_quick_end_still_says_goodbye(run: Run, number: signal.Signals) -> None:
    gunicorn = run()
    with gunicorn.connect("/echo") as client:
        gunicorn.signal(number)
        assert client.read_close() == (1001, "")
    assert gunicorn.wait() == 0


def test_a_worker_that_has_had_its_requests_drains(run: Run) -> None:
    gunicorn = run("--max-requests", "2")
    with gunicorn.connect("/facts") as first, gunicorn.connect("/facts") as second:
        process = json.loads(first.read_text())["process"]
        assert json.loads(second.read_text())["process"] == process
        assert first.answer_close() == (1001, "")
        assert second.answer_close() == (1001, "")
    with gunicorn.connect("/facts") as third:
        assert json.loads(third.read_text())["process"] != process


def test_a_reload_drains_the_old_workers(run: Run) -> None:
    gunicorn = run()
    with gunicorn.connect("/facts") as client:
        process = json.loads(client.read_text())["process"]
        gunicorn.signal(signal.SIGHUP)
        assert client.answer_close() == (1001, "")
    gunicorn.wait_for(rf"Worker exiting \(pid: {process}\)")
    with gunicorn.connect("/facts") as client:
        assert json.loads(client.read_text())["process"] != process


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


def test_a_unix_socket(run: Run, socket_path: Path) -> None:
    gunicorn = run(bind=f"unix:{socket_path}")
    with gunicorn.connect("/facts") as client:
        facts = json.loads(client.read_text())
        assert (facts["local"], facts["remote"]) == (str(socket_path), None)
    assert gunicorn.stop() == 0


def test_the_proxy_protocol_names_the_peer(run: Run, tmp_path: Path) -> None:
    configuration = tmp_path / "proxied.py"
    configuration.write_text("proxy_protocol = True")
    gunicorn = run("-c", str(configuration))
    with gunicorn.connect() as client:
        line = b"PROXY TCP4 192.0.2.1 192.0.2.2 1234 80\r\n"
        request = client.handshake_request("/facts").encode()
        assert client.request(line + request).status == 101
        assert json.loads(client.read_text())["remote"] == ["192.0.2.1", 1234]


def test_connections_count_for_gunicorn(run: Run) -> None:
    gunicorn = run("--worker-connections", "1")
    with gunicorn.connect("/echo") as first, gunicorn.connect() as second:
        second.stream.write(second.handshake_request("/echo").encode())
        assert not second.stream.has_data(0.3)
        first.close()
        assert read_response(second.stream, head_only=True).status == 101

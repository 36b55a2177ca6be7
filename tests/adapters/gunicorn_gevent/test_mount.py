"""turnout in front of a WSGI application that `gunicorn -k gevent` serves."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from tests.adapters.gunicorn_host import Run
from tests.adapters.gunicorn_mounted import *  # noqa: F403  # the tests of both workers

from turnout.testing.frames import TEXT, encode_frame
from turnout.testing.http import read_response


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


def test_a_reload_drains_the_old_workers(run: Run) -> None:
    gunicorn = run()
    with gunicorn.connect("/facts") as client:
        process = json.loads(client.read_text())["process"]
        gunicorn.signal(signal.SIGHUP)
        assert client.answer_close() == (1001, "")
    gunicorn.wait_for(rf"Worker exiting \(pid: {process}\)")
    with gunicorn.connect("/facts") as client:
        assert json.loads(client.read_text())["process"] != process


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

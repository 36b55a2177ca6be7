"""What gunicorn does by itself: each of these fails when it has changed, and a shim can go."""

from __future__ import annotations

from tests.adapters.gunicorn_host import Run


def test_gunicorn_writes_a_response_after_an_application_has_taken_the_socket(run: Run) -> None:
    """Why an upgraded request is ended with `nothing_more`."""
    with run(app="bare").connect() as client:
        client.stream.write(client.handshake_request("/").encode())
        client.stream.read_until(b"frames")
        assert client.stream.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 101 ")


def test_gunicorn_reads_on_after_an_application_has_taken_the_socket(run: Run) -> None:
    """Why an upgraded request is ended with `nothing_more`."""
    with run(app="bare").connect() as client:
        client.stream.write(client.handshake_request("/").encode())
        client.stream.read_until(b"frames")
        client.stream.write(client.handshake_request("/").encode())
        client.stream.read_until(b"frames")

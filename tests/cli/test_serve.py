"""`turnout serve`: ready, serving, ending."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest
from tests.cli.commands import Project, StartServing

from turnout.testing import RawClient
from turnout.testing.certificates import Certificate


def test_one_line_says_where_it_listens(start: StartServing) -> None:
    server = start()
    assert re.fullmatch(
        r"turnout: listening on ws://127\.0\.0\.1:\d+ \(engine wsproto\)\n", server.line
    )
    assert server.end() == (0, "", "")


def test_the_registry_of_the_current_directory_is_served(start: StartServing) -> None:
    with start().connect() as client:
        client.send_text("hello")
        assert client.read_text() == "hello"
        assert client.close() == (1000, "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_closes_every_session_and_ends_with_0(
    start: StartServing, number: signal.Signals
) -> None:
    server = start()
    with server.connect() as one, server.connect() as other:
        server.send_signal(number)
        assert one.answer_close() == (1001, "")
        assert other.answer_close() == (1001, "")
    output, errors = server.process.communicate(timeout=20)
    assert (server.process.returncode, output, errors) == (0, "", "")


def test_a_nested_attribute_of_a_module_in_a_package(project: Project, start: StartServing) -> None:
    project.write("shop/__init__.py", "")
    project.write(
        "shop/sockets.py",
        """
        from turnout import WebSocketHandlerRegistry

        class Live:
            registry = WebSocketHandlerRegistry()

        @Live.registry.websocket("/live")
        def live(session):
            session.send("plain")
        """,
    )
    with start(target="shop.sockets:Live.registry").connect("/live") as client:
        assert client.read_text() == "plain"


def test_a_unix_socket(start: StartServing, tmp_path: Path) -> None:
    path = tmp_path / "s"
    server = start("--unix", str(path))
    assert server.line == f"turnout: listening on unix:{path} (engine wsproto)\n"
    with server.connect() as client:
        client.send_text("hello")
        assert client.read_text() == "hello"
    assert server.end()[0] == 0
    assert not path.exists()


def test_tls(start: StartServing, tmp_path: Path) -> None:
    certificate = Certificate.make(tmp_path)
    files = ("--tls-cert", str(certificate.chain), "--tls-key", str(certificate.key))
    server = start(*files)
    assert server.line.startswith("turnout: listening on wss://127.0.0.1:")
    with RawClient(server.address, tls=certificate.client_context()) as client:
        client.open("/echo")
        client.send_text("secret")
        assert client.read_text() == "secret"


def test_flags_override_the_options_of_the_registry(start: StartServing) -> None:
    server = start("--max-text-size", "1KiB", "--max-binary-size", "none")
    with server.connect() as client:
        client.send_binary(b"x" * 2000)  # the registry allows 10
        assert client.read_binary() == b"x" * 2000
        client.send_text("x" * 1024)
        assert client.read_text() == "x" * 1024
        client.send_text("x" * 1025)
        client.expect_failure(1009)


def test_what_no_flag_names_stays_as_the_registry_has_it(start: StartServing) -> None:
    with start("--max-text-size", "5").connect() as client:
        client.send_binary(b"x" * 11)
        client.expect_failure(1009)


def test_compression_by_flag(start: StartServing) -> None:
    server = start("--compression", "deflate:window_bits=10,threshold=0")
    with RawClient(server.address) as client:
        answer = client.open("/echo", extensions="permessage-deflate; client_max_window_bits")
        extension = answer.headers["sec-websocket-extensions"]
        assert "server_max_window_bits=10" in extension
        assert "client_max_window_bits=10" in extension


def test_the_log_goes_to_standard_error(start: StartServing) -> None:
    server = start("--log-level", "debug")
    with server.connect() as client:
        client.close()
    code, output, errors = server.end()
    assert (code, output) == (0, "")
    assert re.search(r" DEBUG turnout\S*: ", errors), errors


def test_at_debug_the_messages_of_callback_handlers_are_logged(
    project: Project, start: StartServing
) -> None:
    project.write(
        "chat.py",
        """
        from turnout import TextWebSocketHandler, WebSocketHandlerRegistry

        class Chat(TextWebSocketHandler):
            async def handle_text_message(self, session, message):
                await session.send(message)

        registry = WebSocketHandlerRegistry()
        registry.add_handler(Chat(), "/chat")
        """,
    )
    server = start("--log-level", "debug", target="chat:registry")
    with server.connect("/chat") as client:
        client.send_text("secret")
        assert client.read_text() == "secret"
    errors = server.end()[2]
    assert re.search(r"session \w+ received 'text'", errors), errors
    assert "secret" not in errors


def test_a_handler_that_raises_is_logged_with_its_traceback(
    project: Project, start: StartServing
) -> None:
    project.write(
        "broken.py",
        """
        from turnout import WebSocketHandlerRegistry

        registry = WebSocketHandlerRegistry()

        @registry.websocket("/fail")
        async def fail(session):
            raise RuntimeError("the handler's fault")
        """,
    )
    server = start(target="broken:registry")
    with server.connect("/fail") as client:
        assert client.answer_close()[0] == 1011
    code, output, errors = server.end()
    assert (code, output) == (0, "")
    assert "RuntimeError: the handler's fault" in errors

"""What the command line refuses to start, and what engines declare that they cannot do."""

from __future__ import annotations

import socket

import pytest

from turnout.capabilities import Capabilities
from turnout.testing.marks import rule
from turnout.testing.rows import Row
from turnout.testing.server import Server, StartError, StartServer


def refusal(start_server: StartServer, *options: str, **changes: str) -> str:
    """Return the one line by which the command line refuses to start."""
    with pytest.raises(StartError) as refused:
        start_server(*options, **changes)
    assert refused.value.returncode == 2
    assert "Traceback" not in refused.value.stderr
    lines = refused.value.stderr.strip().splitlines()
    assert len(lines) == 1, refused.value.stderr
    return lines[0]


@rule(Row.START, "a port in use: one line, exit code 2")
def test_port_in_use(start_server: StartServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert port in refusal(start_server, "--port", port)


@rule(Row.START, "an attribute that is no registry: one line, exit code 2")
def test_no_registry(start_server: StartServer) -> None:
    assert "DETAIL" in refusal(start_server, subject="turnout.testing.agreed:DETAIL")


@rule(Row.START, "a module that does not import: one line, exit code 2")
def test_no_module(start_server: StartServer) -> None:
    assert "no_such_module" in refusal(start_server, subject="no_such_module:registry")


@rule(Row.START, "an option that the engine declares away is refused at start, by name")
def test_unsupported_options(start_server: StartServer, capabilities: Capabilities) -> None:
    for name in sorted(capabilities.unsupported_options):
        line = refusal(start_server, f"--{name.replace('_', '-')}", "7")
        assert name in line


@rule(Row.START, "an option that the engine does not declare away is honoured or at least taken")
def test_supported_options(start_server: StartServer, capabilities: Capabilities) -> None:
    names = {"max_text_size", "receive_buffer", "send_timeout", "ping_interval", "ping_timeout"}
    names |= {"idle_timeout", "close_timeout", "handshake_timeout", "max_connections"}
    options: list[str] = []
    for name in sorted(names - capabilities.unsupported_options):
        options += [f"--{name.replace('_', '-')}", "7"]
    server: Server = start_server(*options)
    server.stop().check()

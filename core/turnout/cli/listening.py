"""Serve a registry from the command line: the ready line, and what can prevent it, in one line."""

from __future__ import annotations

import argparse
import errno
import os
import socket
import ssl
import stat
from collections.abc import Callable
from pathlib import Path

from turnout.cli.engine_choice import add_engine_flags, load_strategy
from turnout.cli.errors import FAILED, CommandError
from turnout.cli.logs import add_log_flag, set_up_logging
from turnout.errors import ConfigurationError
from turnout.http.request import Address
from turnout.registry import WebSocketHandlerRegistry
from turnout.serving import ServerSettings

__all__ = ["add_address_flags", "add_listening_flags", "announce_address", "listen"]


def add_listening_flags(parser: argparse.ArgumentParser) -> None:
    """Add everything that says where and how to listen."""
    group = _add_address_flags(parser)
    group.add_argument("--unix", metavar="PATH", type=Path, help="a Unix socket in place of both")
    group.add_argument(
        "--tls-cert", metavar="FILE", type=Path, help="serve wss:// with this PEM certificate chain"
    )
    group.add_argument(
        "--tls-key", metavar="FILE", type=Path, help="its key, unless it is in the same file"
    )


def add_address_flags(parser: argparse.ArgumentParser) -> None:
    """Add the host and the port alone."""
    _add_address_flags(parser)
    parser.set_defaults(unix=None, tls_cert=None, tls_key=None)


def _add_address_flags(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    add_engine_flags(parser)
    add_log_flag(parser)
    group = parser.add_argument_group("where to listen")
    group.add_argument(
        "--host", metavar="H", default="127.0.0.1", help="address or name (default: %(default)s)"
    )
    group.add_argument(
        "--port", metavar="P", type=_port, default=8080, help="0 takes a free one (default: 8080)"
    )
    return group


def listen(
    registry: WebSocketHandlerRegistry,
    arguments: argparse.Namespace,
    ready: Callable[[ServerSettings, Address], None],
) -> int:
    """Serve until SIGINT or SIGTERM; `ready` is called with the bound address.

    Raises `CommandError` for what keeps the server from listening.
    """
    set_up_logging(arguments.log_level)
    strategy = load_strategy(arguments.engine, arguments.strategy)()
    started: list[Address] = []

    def announce(address: Address) -> None:
        started.append(address)
        ready(settings, address)

    settings = _settings(arguments, announce)
    _check_tls(settings)
    try:
        strategy.serve(registry, settings)
    except ConfigurationError as error:
        raise CommandError(str(error)) from error
    except OSError as error:
        if started:
            raise CommandError(f"the server failed: {error}", FAILED) from error
        raise CommandError(_cannot_listen(settings, error)) from error
    return 0


def announce_address(engine: str, settings: ServerSettings, address: Address) -> None:
    """Print the one line by which people and programs know that the server is ready."""
    print(f"turnout: listening on {settings.url(address)} (engine {engine})", flush=True)


def _settings(arguments: argparse.Namespace, announce: Callable[[Address], None]) -> ServerSettings:
    try:
        return ServerSettings(
            host=arguments.host,
            port=arguments.port,
            unix=arguments.unix,
            tls_cert=arguments.tls_cert,
            tls_key=arguments.tls_key,
            announce=announce,
        )
    except ConfigurationError as error:
        raise CommandError(str(error)) from error


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: give 0 to 65535")
    return int(text)


def _check_tls(settings: ServerSettings) -> None:
    """Load the files once beforehand: every engine complains about them in its own way."""
    if settings.tls_cert is None:
        return
    for file in filter(None, (settings.tls_cert, settings.tls_key)):
        try:
            file.read_bytes()
        except OSError as error:
            raise CommandError(f"cannot read the TLS file {file}: {error.strerror}") from error
    try:
        # An empty password fails where OpenSSL would otherwise ask for one on the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
            settings.tls_cert, settings.tls_key, password=""
        )
    except ssl.SSLError as error:
        raise CommandError(_bad_tls(settings, error)) from error


def _bad_tls(settings: ServerSettings, error: ssl.SSLError) -> str:
    key = settings.tls_key or settings.tls_cert
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"the TLS key in {key} does not belong to the certificate in {settings.tls_cert}"
    return (
        f"the TLS files {settings.tls_cert} and {key} cannot be used: they must be PEM, a"
        f" certificate chain and its key without a password ({error.reason or error})"
    )


def _cannot_listen(settings: ServerSettings, error: OSError) -> str:
    place = str(settings.unix) if settings.unix else f"{settings.host}:{settings.port}"
    return f"cannot listen on {place}: {_reason(settings, error)}"


def _reason(settings: ServerSettings, error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return f"the host {settings.host!r} is not known"
    if error.errno == errno.EADDRINUSE:
        return _in_use(settings)
    if error.errno == errno.EACCES and settings.unix is None and settings.port < 1024:
        return "ports under 1024 need privileges; choose a higher one"
    if error.errno == errno.EADDRNOTAVAIL:
        return "this machine has no such address"
    return os.strerror(error.errno) if error.errno is not None else str(error)


def _in_use(settings: ServerSettings) -> str:
    unix = settings.unix
    if unix is None:
        return "the port is in use; choose another one, or 0 for any that is free"
    if unix.exists() and not stat.S_ISSOCK(unix.stat().st_mode):
        return "there is a file of that name"
    return "another server listens there"

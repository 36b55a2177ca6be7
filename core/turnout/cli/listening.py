"""Serve a registry from the command line: the ready line, and what can prevent it, in one line."""

from __future__ import annotations

import argparse
import errno
import logging
import os
import socket
import ssl
import stat
import sys
from collections.abc import Callable
from pathlib import Path

from turnout.cli.engine_choice import load_strategy
from turnout.cli.errors import FAILED, CommandError
from turnout.errors import ConfigurationError, EngineError
from turnout.http.request import Address
from turnout.registry import WebSocketHandlerRegistry
from turnout.serving import ServerSettings, keep_freed_memory

__all__ = ["announce_address", "listen", "log_messages"]


def listen(
    registry: WebSocketHandlerRegistry,
    arguments: argparse.Namespace,
    ready: Callable[[ServerSettings, Address], None],
) -> int:
    """Serve until SIGINT or SIGTERM; `ready` is called with the bound address.

    Raises `CommandError` for what keeps the server from listening.
    """
    _set_up_logging(arguments.log_level)
    strategy = load_strategy(arguments.engine, arguments.strategy)()
    started: list[Address] = []

    def announce(address: Address) -> None:
        started.append(address)
        ready(settings, address)

    settings = _settings(arguments, announce)
    _check_tls(settings)
    try:
        keep_freed_memory()
        strategy.serve(registry, settings)
    except (ConfigurationError, EngineError) as error:
        raise CommandError(str(error)) from error
    except OSError as error:
        if started:
            raise CommandError(f"the server failed: {error}", FAILED) from error
        raise CommandError(_cannot_listen(settings, error)) from error
    return 0


def announce_address(engine: str, settings: ServerSettings, address: Address) -> None:
    """Print the one line by which people and programs know that the server is ready."""
    print(f"turnout: listening on {settings.url(address)} (engine {engine})", flush=True)


def log_messages(level: str) -> None:
    """At `debug`, have handlers' messages logged; called before the handlers are registered.

    Those look at it then. The rest of the logging is set up later, behind the user's module.
    """
    if level == "debug":
        logging.getLogger("turnout").setLevel(logging.DEBUG)


def _set_up_logging(level: str) -> None:
    """Log to standard error, unless the user's module has set up its own logging."""
    logging.basicConfig(
        level=level.upper(),
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )


def _settings(arguments: argparse.Namespace, announce: Callable[[Address], None]) -> ServerSettings:
    if arguments.tls_key is not None and arguments.tls_cert is None:
        raise CommandError("--tls-key needs --tls-cert")
    return ServerSettings(
        host=arguments.host,
        port=arguments.port,
        unix=arguments.unix,
        tls_cert=arguments.tls_cert,
        tls_key=arguments.tls_key,
        announce=announce,
    )


def _check_tls(settings: ServerSettings) -> None:
    """Load the files once beforehand: every engine complains about them in its own way."""
    if settings.tls_cert is None:
        return
    for file in filter(None, _tls_files(settings)):
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
    files = " and ".join(dict.fromkeys(map(str, filter(None, _tls_files(settings)))))
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"the TLS key does not belong to the certificate: {files}"
    return f"{files}: no PEM certificate chain with its key, without a password ({error})"


def _tls_files(settings: ServerSettings) -> tuple[Path | None, Path | None]:
    return settings.tls_cert, settings.tls_key


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
    # From Python 3.13 on, asyncio gives no number when none of a host's addresses is to be had.
    if error.errno == errno.EADDRNOTAVAIL or "could not bind on any address" in str(error):
        return "this machine has no such address"
    return os.strerror(error.errno) if error.errno is not None else str(error)


def _in_use(settings: ServerSettings) -> str:
    unix = settings.unix
    if unix is None:
        return "the port is in use; choose another one, or 0 for any that is free"
    if unix.exists() and not stat.S_ISSOCK(unix.stat().st_mode):
        return "there is a file of that name"
    return "another server listens there"

"""`configure`: the settings of aiohttp's server, by its names, each with its effect."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest

from turnout import ConfigurationError, ServerSettings, WebSocketHandlerRegistry, plugins
from turnout.testing.client import RawClient


def serve(variant: str, visit: Callable[[RawClient], None], **native: Any) -> None:
    """Serve an empty registry in this thread while another one visits it."""
    strategy = plugins.create("aiohttp", variant).configure(**native)
    failures: list[BaseException] = []

    def run(address: Any) -> None:
        try:
            with RawClient(address) as client:
                visit(client)
        except BaseException as error:  # raised in the test's thread below
            failures.append(error)
        os.kill(os.getpid(), signal.SIGTERM)

    visitors: list[threading.Thread] = []

    def announce(address: Any) -> None:
        visitors.append(threading.Thread(target=run, args=(address,)))
        visitors[0].start()

    strategy.serve(WebSocketHandlerRegistry(), ServerSettings(port=0, announce=announce))
    visitors[0].join(10)
    for failure in failures:
        raise failure


def visit(client: RawClient) -> None:
    assert client.fetch("/").status == 404


def test_settings_of_each_connection(variant: str) -> None:
    def visit_too_far(client: RawClient) -> None:
        assert client.fetch("/" + "x" * 100).status == 400
        client.expect_end()

    serve(variant, visit_too_far, max_line_size=64)


def test_keepalive_timeout(variant: str) -> None:
    def visit_and_stay(client: RawClient) -> None:
        visit(client)
        client.expect_end()

    serve(variant, visit_and_stay, keepalive_timeout=0.1)


def test_loop_factory(variant: str) -> None:
    import asyncio

    made: list[asyncio.AbstractEventLoop] = []

    def factory() -> asyncio.AbstractEventLoop:
        made.append(asyncio.SelectorEventLoop())
        return made[0]

    serve(variant, visit, loop_factory=factory)
    assert len(made) == 1


@pytest.mark.parametrize("name", ["reuse_port", "reuse_address"])
def test_settings_of_the_socket(variant: str, name: str) -> None:
    serve(variant, visit, **{name: True})


def test_unknown_setting_has_the_nearest_name(variant: str) -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'keepalive_timeout'"):
        plugins.create("aiohttp", variant).configure(keep_alive_timeout=1)


@pytest.mark.parametrize(
    ("name", "option"), [("heartbeat", "ping_interval"), ("max_msg_size", "max_text_size")]
)
def test_setting_that_is_an_option(variant: str, name: str, option: str) -> None:
    with pytest.raises(ConfigurationError, match=f"set the option {option}"):
        plugins.create("aiohttp", variant).configure(**{name: 1})

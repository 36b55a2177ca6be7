"""The settings of the engine, as `configure` takes them."""

from __future__ import annotations

from typing import Any

import pytest

from turnout import ConfigurationError, WebSocketHandlerRegistry, WebSocketOptions
from turnout.errors import UnsupportedOptionError
from turnout_adapters.gunicorn.gthread import GunicornGthreadStrategy, mount


def test_gunicorns_and_turnouts_own() -> None:
    strategy = GunicornGthreadStrategy().configure(threads=8, reserved_threads=2)
    assert strategy.native_settings == {"threads": 8}
    assert strategy.reserved_threads == 2


@pytest.mark.parametrize("value", [-1, "2", True, None])
def test_threads_that_cannot_be_reserved(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="reserved_threads takes a number from 0"):
        GunicornGthreadStrategy().configure(reserved_threads=value)


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'threads'"):
        GunicornGthreadStrategy().configure(thread=4)


def test_the_time_of_a_request_is_the_hosts_where_it_is_mounted() -> None:
    registry = WebSocketHandlerRegistry(options=WebSocketOptions(handshake_timeout=3))
    with pytest.raises(UnsupportedOptionError, match="handshake_timeout"):
        mount(None, registry)

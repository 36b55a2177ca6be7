"""gunicorn's settings, as `configure` takes them."""

from __future__ import annotations

from typing import Any

import pytest

from turnout import ConfigurationError, WebSocketHandlerRegistry, WebSocketOptions
from turnout.errors import UnsupportedOptionError
from turnout_adapters.gunicorn.gevent import GunicornGeventStrategy, mount


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'workers'"):
        GunicornGeventStrategy().configure(worker=4)


@pytest.mark.parametrize("name", ["bind", "backlog", "certfile", "keyfile", "worker_class"])
def test_what_is_settled_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} is decided by turnout"):
        GunicornGeventStrategy().configure(**{name: "x"})


@pytest.mark.parametrize("name", ["daemon", "preload_app", "reload", "reuse_port", "chdir"])
def test_what_would_have_no_effect_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"has no setting '{name}'"):
        GunicornGeventStrategy().configure(**{name: True})


@pytest.mark.parametrize(("name", "value"), [("workers", -1), ("timeout", "soon"), ("on_exit", 3)])
def test_a_value_that_gunicorn_refuses_is_refused_at_once(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"gunicorn refuses {name}="):
        GunicornGeventStrategy().configure(**{name: value})


def test_it_chains() -> None:
    strategy = GunicornGeventStrategy().configure(workers=2).configure(timeout=60)
    assert strategy.native_settings == {"workers": 2, "timeout": 60}


def test_the_time_of_a_request_is_the_hosts_where_it_is_mounted() -> None:
    registry = WebSocketHandlerRegistry(options=WebSocketOptions(handshake_timeout=3))
    with pytest.raises(UnsupportedOptionError, match="handshake_timeout"):
        mount(None, registry)

"""The application on gevent, and middlewares in front of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tests.adapters.gunicorn_application import bare, host, registered, wrapped

from turnout_adapters.gunicorn.gevent import mount

__all__ = ["application", "bare", "behind_a_wrapper"]

application = mount(host, registered())
behind_a_wrapper = wrapped(application)


def behind_a_reader(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Hand on an input of its own."""
    environ["wsgi.input"] = object()
    return application(environ, start_response)


def behind_a_writer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Hand on both a `start_response` and a `write` of its own."""

    def writing(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
        write = start_response(status, [*headers, ("X-Wrapped", "yes")], *exc_info)
        return lambda data: write(data)  # noqa: PLW0108  # its own is the point

    return application(environ, writing)


def below_a_prefix(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Mount the application under `/below`."""
    environ["SCRIPT_NAME"] += "/below"
    environ["PATH_INFO"] = environ["PATH_INFO"].removeprefix("/below")
    return application(environ, start_response)

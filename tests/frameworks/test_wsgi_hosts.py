"""How the WSGI mount finds its server, and what a request's path is below a prefix."""

from __future__ import annotations

import wsgiref.util
from collections.abc import Iterable
from typing import Any

import pytest

from turnout import ConfigurationError, WebSocketHandlerRegistry, WebSocketOptions
from turnout.errors import UnsupportedOptionError
from turnout_adapters.wsgi import WsgiRequest, mount


def environ_of(**fields: str) -> dict[str, Any]:
    environ: dict[str, Any] = dict(fields)
    wsgiref.util.setup_testing_defaults(environ)
    return environ


def own(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [])
    return [b"own"]


def answered(application: Any, environ: dict[str, Any]) -> tuple[str, bytes]:
    """Return what a server that turnout does not know gets."""
    statuses: list[str] = []
    body = application(environ, lambda status, headers: statuses.append(status))
    return statuses[0], b"".join(body)


def test_pages_go_on_where_a_server_has_no_socket() -> None:
    application = mount(own, WebSocketHandlerRegistry())
    assert answered(application, environ_of(PATH_INFO="/")) == ("200 OK", b"own")


@pytest.mark.parametrize("app", [own, None])
def test_a_websocket_is_an_error_there(app: Any) -> None:
    application = mount(app, WebSocketHandlerRegistry())
    fields = {"HTTP_UPGRADE": "WebSocket", "SERVER_SOFTWARE": "waitress"}
    with pytest.raises(
        ConfigurationError, match=r"waitress leaves .* run it by gunicorn -k gevent"
    ):
        answered(application, environ_of(**fields))
    assert application.engine is None


def test_the_time_of_a_request_is_the_servers() -> None:
    registry = WebSocketHandlerRegistry(options=WebSocketOptions(handshake_timeout=3))
    with pytest.raises(UnsupportedOptionError, match="handshake_timeout"):
        mount(own, registry)


class Request(WsgiRequest):
    """A request whose target is known, or is not."""

    @property
    def local_address(self) -> None:
        return None

    @property
    def sent_target(self) -> str | None:
        return self.native.get("RAW_URI")


@pytest.mark.parametrize(
    ("raw", "script", "path", "target", "below"),
    [
        ("/a%2Fb?x=1", "", "/a/b", "/a%2Fb?x=1", "/a%2Fb"),
        (None, "", "/a b/\xc3\xa9", "/a%20b/%C3%A9", "/a%20b/%C3%A9"),
        ("/ws/a%2Fb?x", "/ws", "/a/b", "/ws/a%2Fb?x", "/a%2Fb"),
        ("/ws", "/ws", "", "/ws", "/"),
        ("/w%73/a%20b", "/ws", "/a b", "/w%73/a%20b", "/a%20b"),
        ("/wsx", "/ws", "/moved", "/wsx", "/moved"),
        ("http://host/ws/a", "/ws", "/a", "/ws/a", "/a"),
        ("http://host", "", "", "/", "/"),
    ],
)
def test_the_path_below_a_prefix(
    raw: str | None, script: str, path: str, target: str, below: str
) -> None:
    fields = {"SCRIPT_NAME": script, "PATH_INFO": path, **({} if raw is None else {"RAW_URI": raw})}
    request = Request(fields)
    assert (request.target, request.raw_path) == (target, below)


def test_a_user_of_the_server_is_the_principal() -> None:
    principal = Request({"REMOTE_USER": "ada"}).principal
    assert principal is not None
    assert principal.name == "ada"
    assert Request({"REMOTE_USER": ""}).principal is None

"""The stores people use, each the real one, as sources of HTTP sessions."""

from __future__ import annotations

import importlib
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import itsdangerous
import pytest
from starlette.middleware.sessions import SessionMiddleware

from turnout.drive import drive
from turnout.errors import ConfigurationError
from turnout.handshake.http_session import (
    SESSION_ID_ATTRIBUTE,
    HttpSessionHandshakeInterceptor,
    SessionSource,
)
from turnout_adapters.http_sessions import asgi_scope, tornado_signed_cookie, wsgi_environ

if TYPE_CHECKING:
    from tests.handshake.conftest import FakeResponse, MakeRequest

beaker: Any = importlib.import_module("beaker.middleware")  # has no types

Application = Callable[[dict[str, Any]], None]


class Read:
    """Reads a session through the interceptor, as a handshake does."""

    def __init__(self, make_request: MakeRequest, response: FakeResponse) -> None:
        self._make_request = make_request
        self._response = response
        self.attributes: dict[str, Any] = {}

    def __call__(self, native: object, source: SessionSource, **settings: Any) -> None:
        request = self._make_request()
        request.native = native
        interceptor = HttpSessionHandshakeInterceptor(source=source, **settings)
        drive(interceptor.before_handshake(request, self._response, None, self.attributes))

    @property
    def cookies(self) -> list[str]:
        """The cookies that the 101 would set."""
        return self._response.headers.get_all("set-cookie")


@pytest.fixture
def read(make_request: MakeRequest, response: FakeResponse) -> Read:
    """Return what runs the interceptor and keeps what it did."""
    return Read(make_request, response)


class TestBeaker:
    """A WSGI session with an id, kept in files."""

    @pytest.fixture
    def call(self, tmp_path: Any) -> Callable[..., list[str]]:
        """Return a function that calls an application below Beaker with a Cookie header."""

        def call(application: Application, cookie: str = "") -> list[str]:
            def wsgi(environ: dict[str, Any], start_response: Any) -> list[bytes]:
                application(environ)
                start_response("200 OK", [])
                return []

            set_cookies: list[str] = []

            def start_response(status: str, headers: list[tuple[str, str]], *_: Any) -> None:
                set_cookies.extend(value for name, value in headers if name == "Set-cookie")

            middleware = beaker.SessionMiddleware(
                wsgi, {"session.type": "file", "session.data_dir": str(tmp_path)}
            )
            environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "HTTP_COOKIE": cookie}
            list(middleware(environ, start_response))
            return set_cookies

        return call

    def test_the_stored_values_and_the_id(self, read: Read, call: Any) -> None:
        def log_in(environ: dict[str, Any]) -> None:
            environ["beaker.session"]["user"] = "ada"
            environ["beaker.session"].save()
            ids.append(environ["beaker.session"].id)

        ids: list[str] = []
        (cookie,) = call(log_in)
        call(lambda environ: read(environ, wsgi_environ("beaker.session"), names="user"), cookie)
        assert read.attributes == {"user": "ada", SESSION_ID_ATTRIBUTE: ids[0]}
        assert read.cookies == []

    def test_no_session_is_made_up(self, read: Read, call: Any) -> None:
        call(lambda environ: read(environ, wsgi_environ("beaker.session")))
        assert read.attributes == {}
        assert read.cookies == []

    def test_one_is_created_on_demand_and_found_again(self, read: Read, call: Any) -> None:
        def save(session: Any) -> str:
            session.save()
            cookie: str = session.request["cookie_out"]
            return cookie

        source = wsgi_environ("beaker.session", save=save)
        call(lambda environ: read(environ, source, create_session=True))
        created = read.attributes.pop(SESSION_ID_ATTRIBUTE)
        (cookie,) = read.cookies
        read.attributes.clear()
        call(lambda environ: read(environ, source), cookie)
        assert read.attributes[SESSION_ID_ATTRIBUTE] == created


class TestStarlette:
    """An ASGI session without an id, kept in the cookie itself."""

    SECRET = "not a secret"

    def call(self, application: Application, cookie: str = "") -> None:
        async def asgi(scope: Any, receive: Any, send: Any) -> None:
            application(scope)

        async def unused(message: Any = None) -> Any:
            raise AssertionError("nothing is sent or received")

        scope = {"type": "websocket", "path": "/", "headers": [(b"cookie", cookie.encode())]}
        drive(SessionMiddleware(asgi, self.SECRET)(scope, unused, unused))

    def cookie(self, json: bytes) -> str:
        signed = itsdangerous.TimestampSigner(self.SECRET).sign(b64encode(json))
        return f"session={signed.decode()}"

    def test_the_stored_values(self, read: Read) -> None:
        self.call(lambda scope: read(scope, asgi_scope()), self.cookie(b'{"user": "ada"}'))
        assert read.attributes == {"user": "ada"}

    @pytest.mark.parametrize("cookie", ["", "session=eyJ1c2VyIjogImFkYSJ9.forged.signature"])
    def test_no_session_is_none(self, read: Read, cookie: str) -> None:
        self.call(lambda scope: read(scope, asgi_scope()), cookie)
        assert read.attributes == {}

    def test_one_is_created_on_demand(self, read: Read) -> None:
        def save(session: dict[str, Any]) -> str:
            session["visits"] = 1
            return self.cookie(b'{"visits": 1}')

        source = asgi_scope(save=save)
        self.call(lambda scope: read(scope, source, create_session=True))
        assert read.attributes == {"visits": 1}
        first = read.attributes.copy()
        (cookie,) = read.cookies
        read.attributes.clear()
        self.call(lambda scope: read(scope, source), cookie)
        assert read.attributes == first


class TestAnyMapping:
    """What other stores have in common."""

    class Session(dict[str, Any]):
        """As werkzeug's."""

        def __init__(self, values: Mapping[str, Any], sid: str, new: bool) -> None:
            super().__init__(values)
            self.sid = sid
            self.new = new

    def test_an_empty_session_that_is_not_new_is_one(self, read: Read) -> None:
        read({"key": self.Session({}, "s1", new=False)}, wsgi_environ("key"))
        assert read.attributes == {SESSION_ID_ATTRIBUTE: "s1"}

    def test_a_new_session_is_none_whatever_it_holds(self, read: Read) -> None:
        read({"key": self.Session({"default": 1}, "s1", new=True)}, wsgi_environ("key"))
        assert read.attributes == {}

    def test_without_the_middleware_there_is_none(self, read: Read) -> None:
        read({}, wsgi_environ("key"))
        assert read.attributes == {}


@pytest.mark.parametrize(
    "source", [wsgi_environ("key"), asgi_scope(), tornado_signed_cookie("session")]
)
def test_what_cannot_create_says_so_when_it_is_registered(source: SessionSource) -> None:
    with pytest.raises(ConfigurationError, match="create_session"):
        HttpSessionHandshakeInterceptor(source=source, create_session=True)

"""What of an HTTP session reaches the attributes of a WebSocket session."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

import pytest
from tests.handshake.conftest import FakeRequest

from turnout.drive import drive
from turnout.errors import ConfigurationError
from turnout.handshake.http_session import (
    SESSION_ID_ATTRIBUTE,
    HttpSession,
    HttpSessionHandshakeInterceptor,
)

if TYPE_CHECKING:
    from tests.handshake.conftest import FakeResponse, MakeRequest

STORED = {"user": "ada", "theme": "dark", "_csrf": "x"}


def copied(
    interceptor: HttpSessionHandshakeInterceptor, request: FakeRequest, response: FakeResponse
) -> dict[str, Any]:
    """Run the interceptor and return what it put into the attributes."""
    attributes: dict[str, Any] = {"before": 1}
    assert drive(interceptor.before_handshake(request, response, object(), attributes)) is True
    assert attributes.pop("before") == 1
    return attributes


def stored(request: object, response: object, create: bool) -> HttpSession:
    """Find the session, whatever the request."""
    return HttpSession(STORED, id="id-1")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (None, STORED),
        (["user", "missing"], {"user": "ada"}),
        ("user", {"user": "ada"}),
        ([], {}),
        (lambda name: not name.startswith("_"), {"user": "ada", "theme": "dark"}),
    ],
)
def test_copies_all_or_by_name_or_by_predicate(
    make_request: MakeRequest,
    response: FakeResponse,
    names: Iterable[str] | Callable[[str], bool] | None,
    expected: dict[str, Any],
) -> None:
    interceptor = HttpSessionHandshakeInterceptor(names, source=stored)
    found = copied(interceptor, make_request(), response)
    assert found == {**expected, SESSION_ID_ATTRIBUTE: "id-1"}


def test_the_id_can_be_left_out(make_request: MakeRequest, response: FakeResponse) -> None:
    interceptor = HttpSessionHandshakeInterceptor([], copy_session_id=False, source=stored)
    assert copied(interceptor, make_request(), response) == {}


def test_a_store_without_ids_gives_none(make_request: MakeRequest, response: FakeResponse) -> None:
    async def plain_mapping(request: object, response: object, create: bool) -> Mapping[str, Any]:
        return STORED

    interceptor = HttpSessionHandshakeInterceptor(source=plain_mapping)
    assert copied(interceptor, make_request(), response) == STORED


@pytest.mark.parametrize("create", [False, True])
def test_a_session_is_created_only_on_demand(
    make_request: MakeRequest, response: FakeResponse, create: bool
) -> None:
    def only_created(request: object, response: object, create: bool) -> HttpSession | None:
        return HttpSession({"new": True}) if create else None

    interceptor = HttpSessionHandshakeInterceptor(create_session=create, source=only_created)
    assert copied(interceptor, make_request(), response) == ({"new": True} if create else {})


def test_a_source_that_cannot_create_is_refused_at_once() -> None:
    class ReadOnly:
        can_create = False

        def __call__(self, request: object, response: object, create: bool) -> None:
            """Find nothing."""

    HttpSessionHandshakeInterceptor(source=ReadOnly())
    with pytest.raises(ConfigurationError, match="create_session"):
        HttpSessionHandshakeInterceptor(source=ReadOnly(), create_session=True)


class RequestWithSession(FakeRequest):
    """A request whose server has sessions."""

    async def http_session(self, *, create: bool = False) -> MutableMapping[str, Any]:
        return {"created": create}


@pytest.mark.parametrize("create", [False, True])
def test_the_request_itself_is_asked_by_default(response: FakeResponse, create: bool) -> None:
    interceptor = HttpSessionHandshakeInterceptor(create_session=create)
    assert copied(interceptor, RequestWithSession([]), response) == {"created": create}


def test_a_server_without_sessions_gives_nothing(
    make_request: MakeRequest, response: FakeResponse
) -> None:
    assert copied(HttpSessionHandshakeInterceptor(), make_request(), response) == {}

"""The interceptor chain: order, refusals, failures, and what the after-phase is told."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from turnout.drive import drive
from turnout.errors import ConfigurationError, HandshakeRefused
from turnout.handshake.interceptors import (
    HandshakeInterceptor,
    InterceptorChain,
    prepare_interceptors,
)

if TYPE_CHECKING:
    from tests.handshake.conftest import FakeResponse, MakeRequest

HANDLER = object()


class Recorder(HandshakeInterceptor):
    """Notes each call; `answer` is returned before, or raised if it is an exception."""

    def __init__(
        self,
        name: str,
        calls: list[Any],
        answer: bool | BaseException | None = True,
        after: Exception | None = None,
    ) -> None:
        self.name = name
        self.calls = calls
        self.answer = answer
        self.after = after

    def before_handshake(
        self, request: object, response: object, handler: object, attributes: dict[str, Any]
    ) -> bool | None:
        assert handler is HANDLER
        self.calls.append(f"before {self.name}")
        attributes[self.name] = True
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer

    def after_handshake(
        self, request: object, response: object, handler: object, exception: BaseException | None
    ) -> None:
        self.calls.append((f"after {self.name}", exception))
        if self.after is not None:
            raise self.after


class AsyncRecorder(Recorder):
    """The same in `async def`."""

    async def before_handshake(  # type: ignore[override]  # the base of this class is plain
        self, request: object, response: object, handler: object, attributes: dict[str, Any]
    ) -> bool | None:
        return super().before_handshake(request, response, handler, attributes)

    async def after_handshake(  # type: ignore[override]  # the base of this class is plain
        self, request: object, response: object, handler: object, exception: BaseException | None
    ) -> None:
        super().after_handshake(request, response, handler, exception)


class Run:
    """One chain over one request."""

    def __init__(
        self, interceptors: list[HandshakeInterceptor], request: Any, response: FakeResponse
    ) -> None:
        self.attributes: dict[str, Any] = {}
        self.chain = InterceptorChain(interceptors, request, response, HANDLER)

    def before(self) -> None:
        drive(self.chain.before(self.attributes))

    def after(self, exception: BaseException | None = None) -> None:
        drive(self.chain.after(exception))

    def refused(self) -> HandshakeRefused:
        with pytest.raises(HandshakeRefused) as refused:
            self.before()
        return refused.value


@pytest.fixture(params=[Recorder, AsyncRecorder], ids=["def", "async def"])
def recorder(request: pytest.FixtureRequest) -> type[Recorder]:
    """Both colours of the same interceptor."""
    kind: type[Recorder] = request.param
    return kind


@pytest.fixture
def calls() -> list[Any]:
    """What the interceptors were called with, in order."""
    return []


@pytest.fixture
def start(make_request: MakeRequest, response: FakeResponse) -> Any:
    """Return a function that builds a run of some interceptors."""
    return lambda *interceptors: Run(list(interceptors), make_request(), response)


class TestSuccess:
    def test_before_in_order_and_after_in_reverse(
        self, start: Any, recorder: type[Recorder], calls: list[Any]
    ) -> None:
        run = start(recorder("a", calls), recorder("b", calls, None), recorder("c", calls))
        run.before()
        assert calls == ["before a", "before b", "before c"]
        assert run.attributes == {"a": True, "b": True, "c": True}
        run.after()
        assert calls[3:] == [("after c", None), ("after b", None), ("after a", None)]

    def test_each_is_told_once(
        self, start: Any, recorder: type[Recorder], calls: list[Any]
    ) -> None:
        run = start(recorder("a", calls))
        run.before()
        run.after()
        run.after(RuntimeError("late"))
        assert calls == ["before a", ("after a", None)]

    def test_after_sees_what_ended_a_later_step(
        self, start: Any, recorder: type[Recorder], calls: list[Any]
    ) -> None:
        run = start(recorder("a", calls))
        run.before()
        refused = HandshakeRefused(400)
        run.after(refused)
        assert calls[1:] == [("after a", refused)]

    def test_the_base_class_lets_pass(self, start: Any) -> None:
        run = start(HandshakeInterceptor())
        run.before()
        run.after()
        assert run.attributes == {}

    def test_an_empty_chain_passes(self, start: Any) -> None:
        run = start()
        run.before()
        run.after()


class TestRefusal:
    def test_false_is_403_and_only_earlier_ones_are_told(
        self, start: Any, recorder: type[Recorder], calls: list[Any]
    ) -> None:
        interceptors = [
            recorder("a", calls),
            recorder("b", calls),
            recorder("c", calls, False),
            recorder("d", calls),
        ]
        refused = start(*interceptors).refused()
        assert refused.status == 403
        assert calls == [
            "before a",
            "before b",
            "before c",
            ("after b", refused),
            ("after a", refused),
        ]

    @pytest.mark.parametrize(
        ("status", "answered"),
        [(None, 403), (401, 401), (307, 307), (503, 503), (200, 403), (101, 403), (0, 403)],
    )
    def test_false_answers_with_the_status_of_the_response_if_that_refuses(
        self,
        start: Any,
        response: FakeResponse,
        calls: list[Any],
        status: int | None,
        answered: int,
    ) -> None:
        response.status = status
        assert start(Recorder("a", calls, False)).refused().status == answered

    def test_a_raised_refusal_is_passed_on_unchanged(
        self, start: Any, recorder: type[Recorder], calls: list[Any]
    ) -> None:
        refusal = HandshakeRefused(429, [("Retry-After", "3")], b"later")
        assert start(recorder("a", calls), recorder("b", calls, refusal)).refused() is refusal
        assert calls[2:] == [("after a", refusal)]

    @pytest.mark.parametrize("answer", [True, None])
    def test_only_false_refuses(self, start: Any, calls: list[Any], answer: bool | None) -> None:
        start(Recorder("a", calls, answer)).before()

    def test_a_refusal_is_logged_in_one_line(
        self, start: Any, calls: list[Any], caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, "turnout.handshake")
        start(Recorder("a", calls, HandshakeRefused(401, body="who?"))).refused()
        assert [(r.levelname, r.getMessage()) for r in caplog.records] == [
            (
                "INFO",
                "handshake refused with 401 by Recorder (GET /chat?token=*** from 192.0.2.7:40000)",
            )
        ]


class TestFailure:
    def test_any_other_exception_is_500_without_detail(
        self,
        start: Any,
        recorder: type[Recorder],
        calls: list[Any],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        error = ValueError("the password is 1234")
        run = start(recorder("a", calls), recorder("b", calls, error), recorder("c", calls))
        refused = run.refused()
        assert refused.status == 500
        assert b"1234" not in refused.body
        assert refused.__cause__ is error
        assert calls[2:] == [("after a", error)]
        (record,) = caplog.records
        assert record.exc_info is not None
        assert record.exc_info[1] is error
        assert "GET /chat?token=***" in record.getMessage()

    def test_cancellation_goes_on_and_earlier_ones_are_told(
        self, start: Any, calls: list[Any]
    ) -> None:
        stop = KeyboardInterrupt()
        with pytest.raises(KeyboardInterrupt):
            start(Recorder("a", calls), Recorder("b", calls, stop)).before()
        assert calls[2:] == [("after a", stop)]

    def test_an_exception_in_after_is_logged_and_the_others_still_run(
        self,
        start: Any,
        recorder: type[Recorder],
        calls: list[Any],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        broken = recorder("b", calls, after=ValueError("oops"))
        run = start(recorder("a", calls), broken, recorder("c", calls))
        run.before()
        run.after()
        assert calls[3:] == [("after c", None), ("after b", None), ("after a", None)]
        (record,) = caplog.records
        assert "failed after the handshake" in record.getMessage()
        assert record.exc_info is not None


class TestPrepare:
    def test_keeps_the_order(self) -> None:
        first, second = HandshakeInterceptor(), HandshakeInterceptor()
        assert prepare_interceptors(iter([first, second])) == (first, second)

    def test_a_class_is_refused_with_the_fix(self) -> None:
        with pytest.raises(ConfigurationError, match=r"HandshakeInterceptor\(\.\.\.\)"):
            prepare_interceptors([HandshakeInterceptor])  # type: ignore[list-item]  # the mistake

    def test_what_lacks_a_method_is_refused(self) -> None:
        class Half:
            def before_handshake(self) -> None:
                """Do one half."""

        with pytest.raises(ConfigurationError, match="after_handshake"):
            prepare_interceptors([Half()])  # type: ignore[list-item]  # the mistake

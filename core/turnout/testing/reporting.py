"""What the pytest plugin does with each result: the report, the progress, the watch."""

from __future__ import annotations

import json
import os
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

from turnout.testing.expectations import Unmet
from turnout.testing.explain import Comparison
from turnout.testing.failures import Failure, Recorder
from turnout.testing.report import EarlyEnd, Report
from turnout.testing.rows import Row
from turnout.testing.watch import Watch

if TYPE_CHECKING:
    from turnout.testing.server import Server

__all__ = ["EndError", "Reporting", "rule_of"]

END_OF_SERVER = "(end of the server that all tests share)"
END_RULE = "the server that all tests have used ends with exit code 0 and leaves nothing undone"
ORDER = {row.name: number for number, row in enumerate(Row)}
ERROR = pytest.StashKey[BaseException]()


class EndError(Unmet, AssertionError):
    """The shared server has not ended in order: no single test is to blame."""


def rule_of(item: pytest.Item) -> dict[str, Any]:
    """Return the row and the text of a test's rule, or nothing for a test of somebody else's."""
    mark = item.get_closest_marker("rule")
    return {} if mark is None else dict(mark.kwargs)


class Reporting:
    """Hooks that follow a run from its collection to its report."""

    def __init__(self, config: pytest.Config) -> None:
        self.report: Report = Report()
        self.choice: tuple[str, str | None] | None = None
        """The engine under test, and its strategy if one was named."""
        self.server: Server | None = None
        """The server that all tests share, once it runs."""
        self._recorder = Recorder()
        self._watch = Watch() if config.getoption("--turnout-watch", default=False) else None
        self._progress: int | None = config.getoption("--turnout-progress", default=None)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Run what is watched row by row, so that what everything else needs comes first."""
        if self._watch is not None:
            items.sort(key=lambda item: ORDER.get(rule_of(item).get("row", ""), len(ORDER)))

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Enter all that is to run, so that what did not is seen."""
        for item in session.items:
            if rule := rule_of(item):
                self.report.expect(item.name, **rule)
        self._tell(count=len(self.report.results))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Begin to record; leave out what has been given up."""
        left_out = {} if self._watch is None else self._watch.left_out
        row = rule_of(item).get("row")
        if row in left_out:
            pytest.skip(left_out[row])
        self._recorder.begin(self.server)

    def pytest_assertrepr_compare(self, op: str, left: object, right: object) -> None:
        """Keep what an `assert` has compared."""
        self._recorder.compared = Comparison(op, left, right)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Enter a test of the suite into the report."""
        outcome = yield
        rule, name, failure = rule_of(item), item.name, None
        if not rule:
            return outcome
        if outcome.failed and call.excinfo is not None:
            failure = self._recorder.failure(call.excinfo.value)
            outcome.sections.append(("what happened", _as_text(failure)))
            item.stash.setdefault(ERROR, call.excinfo.value)
            if isinstance(call.excinfo.value, EndError):
                name, rule = END_OF_SERVER, {"row": "SHUTDOWN", "text": END_RULE}
        self.report.add(name, outcome, **rule, failure=failure)
        return outcome

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> Generator[None, object, object]:
        """Tell how it ended, and look after the server when it failed."""
        done = yield
        result = self.report.results.get(item.name)
        if result is not None:
            self._tell(name=item.name, row=result.row, outcome=result.outcome)
        error = item.stash.get(ERROR, None)
        if self._watch is not None and error is not None and nextitem is not None:
            self._look_after_the_server(self._watch, item, error)
        return done

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the report."""
        path = session.config.getoption("--report", default=None)
        if path is not None and self.choice is not None:
            self.report.write(path, *self.choice)

    def _look_after_the_server(self, watch: Watch, item: pytest.Item, error: BaseException) -> None:
        self._recorder.begin(None)
        verdict = watch.after_failure(self.server, rule_of(item).get("row", ""), error)
        if verdict is not None:
            failure = self._recorder.failure(verdict.error, self.server)
            advice = " ".join(verdict.advice.split())
            self.report.ended_early = EarlyEnd(verdict.reason, failure, advice)
            item.session.shouldstop = verdict.reason

    def _tell(self, **facts: Any) -> None:
        if self._progress is not None:
            os.write(self._progress, json.dumps(facts).encode() + b"\n")


def _as_text(failure: Failure) -> str:
    return "\n".join(f"{who}: {what}" for who, what in failure.conversation)

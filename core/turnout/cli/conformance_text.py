"""The report of `turnout conformance` as text: for the author of a strategy, on any terminal."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Callable, Iterator
from io import TextIOWrapper
from types import TracebackType
from typing import Any, Self, TextIO

from turnout.cli.terminal import Styles
from turnout.testing.digest import (
    FailedRule,
    JsonReport,
    RowCount,
    causes,
    engine_line,
    failed_rules,
    fold,
    name_of,
    rows,
    verdict,
)

__all__ = ["Progress", "print_report"]

WORDS = {
    "passed": "passed",
    "failed": "FAILED",
    "declared away": "declared away",
    "not run": "not run",
}
LABEL = 13
MOST_LINES = 16
"""How many lines of a conversation are shown."""
LOG_LINES = 12
EVERY = 100
"""How many tests there are between two lines of progress where a line cannot be rewritten."""


class Progress:
    """Tells how far the suite is: one line that is rewritten on a terminal, a few elsewhere."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._rewrites = stream.isatty()
        self.count: int | None = None
        """How many tests there are, once the suite has told."""
        self._done = self._failed = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._rewrites:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def take(self, told: dict[str, Any]) -> None:
        """Take what the suite tells."""
        if "count" in told:
            self.count = told["count"]
            self._say(f"{self.count} tests")
            return
        self._done += 1
        self._failed += told["outcome"] == "failed"
        if self._rewrites:
            self._say(f"{self._in_numbers()}: {told['row']} {told['name']}")
        elif self._done % EVERY == 0:
            self._say(self._in_numbers())

    def _in_numbers(self) -> str:
        return f"{self._done} of {self.count} tests, {self._failed or 'none'} failed"

    def _say(self, text: str) -> None:
        if self._rewrites:
            width = shutil.get_terminal_size().columns - 1
            self._stream.write(f"\r\x1b[K{text[:width]}")
        else:
            self._stream.write(f"{text}\n")
        self._stream.flush()


def print_report(report: JsonReport, stream: TextIO, styles: Styles) -> None:
    """Print a report: the rows, the failures with what to change, and the verdict at the end."""
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(errors="replace")  # arrows, where a locale knows ASCII only
    for line in _lines(report, styles):
        print(line, file=stream)


def _lines(report: JsonReport, styles: Styles) -> Iterator[str]:
    yield styles.bold(engine_line(report))
    yield ""
    counted = [row for row in rows(report) if row.outcome != "not run" or row.passed]
    width = max((len(row.in_words()) for row in counted), default=0)
    for row in counted:
        yield _row_line(row, width, styles)
    idle = [row.name for row in rows(report) if row not in counted]
    if idle:
        yield from _labelled("not run", f" {', '.join(idle)}", hanging=1)
    yield from _common_causes(report, styles)
    if report["ended_early"] is not None:
        yield from _early_end(report["ended_early"], styles)
    else:
        advised: set[str] = set()
        for rule in failed_rules(report):
            yield from _failed_rule(rule, report, styles, advised)
    yield ""
    conforms = report["outcome"] in ("passed", "declared away")
    yield (styles.green if conforms else styles.red)(verdict(report))


def _row_line(row: RowCount, width: int, styles: Styles) -> str:
    word = WORDS[row.outcome].ljust(LABEL)
    painted = {"passed": styles.green, "failed": styles.red}.get(row.outcome, styles.dim)(word)
    return f"{painted}  {row.name:<13}  {row.in_words():<{width}}  {row.title}{row.remark}"


def _common_causes(report: JsonReport, styles: Styles) -> Iterator[str]:
    for cause in causes(report):
        yield ""
        yield styles.bold(f"Begin here: {cause.failures} failures have this error in the log")
        yield from _labelled("error", cause.error)
        yield from _labelled("raised in", f"{cause.function}, {cause.file}:{cause.line}")


def _early_end(early: dict[str, Any], styles: Styles) -> Iterator[str]:
    yield ""
    yield styles.red(f"ENDED EARLY   {early['reason']}: the other tests were not run")
    yield from _failure(early["failure"], styles, set())
    yield from _labelled("all the same", "run every test with --keep-going")


def _failed_rule(
    rule: FailedRule, report: JsonReport, styles: Styles, advised: set[str]
) -> Iterator[str]:
    yield ""
    cases = f", {len(rule.cases)} of {rule.all_cases} cases" if rule.all_cases > 1 else ""
    yield f"{styles.red('FAILED'.ljust(LABEL))} {styles.bold(rule.rule)}"
    yield from _labelled("row", f"{rule.row}: {report['rows'][rule.row]['title']}")
    yield from _labelled("test", f"{rule.cases[0]}{cases} ({rule.failure['where']})")
    yield from _failure(rule.failure, styles, advised)
    if rule.function.startswith("test_"):
        yield from _labelled("run again", _run_again(report, rule.function))


def _failure(failure: dict[str, Any], styles: Styles, advised: set[str]) -> Iterator[str]:
    if "sources" in failure:
        yield from _labelled("rule from", ", ".join(one["text"] for one in failure["sources"]))
    yield from _labelled("expected", failure["expected"])
    yield from _labelled("got", failure["got"])
    yield from _conversation(fold(failure["conversation"]))
    yield from _log(failure)
    advice = failure["advice"]
    yield from _labelled(
        "to change", "as above" if advice in advised else advice, paint=styles.bold
    )
    advised.add(advice)


def _conversation(said: list[dict[str, str]]) -> Iterator[str]:
    shown = said if len(said) <= MOST_LINES else [*said[:4], None, *said[4 - MOST_LINES + 1 :]]
    for number, line in enumerate(shown):
        label = "what happened" if number == 0 else ""
        if line is None:
            yield f"{label:<{LABEL}} …"
        else:
            yield from _labelled(label, f"{line['who']:<8}  {line['what']}", hanging=10)


def _log(failure: dict[str, Any]) -> Iterator[str]:
    if failure["logged"] is not None:
        logged = failure["logged"]
        yield from _labelled("in the log", logged["error"])
        yield from _labelled(
            "", f"raised in {logged['function']}, {logged['file']}:{logged['line']}"
        )
    elif "Traceback" in failure["log"] or not failure["conversation"]:
        for number, line in enumerate(failure["log"].strip().splitlines()[-LOG_LINES:]):
            yield f"{'' if number else 'in the log':<{LABEL}} {line}"


def _labelled(
    label: str, text: str, hanging: int = 0, paint: Callable[[str], str] = str
) -> Iterator[str]:
    """Yield a text beside its label, wrapped to the terminal."""
    width = max(60, min(shutil.get_terminal_size().columns, 110)) - LABEL - 1
    wrapped = textwrap.wrap(
        text,
        width,
        subsequent_indent=" " * hanging,
        break_on_hyphens=False,
        break_long_words=False,  # a path is to be copied
    ) or [""]
    for number, line in enumerate(wrapped):
        yield f"{'' if number else label:<{LABEL}} {paint(line)}"


def _run_again(report: JsonReport, function: str) -> str:
    engine = name_of(report).replace(" ", " --strategy ")
    return f"turnout conformance {engine} --only {function}"

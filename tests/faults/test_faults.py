"""Each seeded fault fails its own tests of the conformance suite, and no unrelated one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from turnout.testing.rows import Row

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER))  # the faults' modules are imported by the server under test too

from faulty_subject import FAULTS  # noqa: E402

Outcome = tuple[set[str], str]


def run_suite(name: str, report: Path) -> Outcome:
    """Return which functions of the suite fail where that fault is served, and what was printed."""
    command = [sys.executable, "-m", "pytest", "-c", os.devnull, "-q", "-p", "no:cacheprovider"]
    command += ["-p", "turnout.testing.plugin", "-p", "selection", "--engine", "wsproto"]
    command += ["--subject", "faulty_subject:registry", "--report", str(report)]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(FOLDER), *sys.path]),
        "TURNOUT_FAULT": name,
        "TURNOUT_FAULT_ROW": FAULTS[name].row.name,
        "TURNOUT_TEST_DEADLINE": "4",
    }
    running = subprocess.Popen(
        [*command, "--pyargs", "turnout.testing.suite"],
        cwd=report.parent,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        output, _ = running.communicate(timeout=240)
    except subprocess.TimeoutExpired:
        running.terminate()  # pytest then ends its servers
        output, _ = running.communicate(timeout=60)
    return failed_functions(report), output


def failed_functions(report: Path) -> set[str]:
    """Return the names of the failed tests, without their parameters."""
    if not report.exists():
        return {"no report"}
    rows = json.loads(report.read_text())["rows"].values()
    return {
        name.partition("[")[0]
        for row in rows
        for name, test in row["tests"].items()
        if test["outcome"] == "failed"
    }


@pytest.fixture(scope="session")
def runs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[Outcome]]]:
    """Start the runs of all chosen faults, as many at a time as there are processors."""
    names = [name for item in request.session.items for name in fault_of(item)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        folder = tmp_path_factory.mktemp("reports")
        yield {name: pool.submit(run_suite, name, folder / f"{name}.json") for name in names}
        pool.shutdown(cancel_futures=True)


def fault_of(item: pytest.Item) -> list[str]:
    """Return the name of the fault that a test is about, if it is about one."""
    if not isinstance(item, pytest.Function) or item.originalname != test_fault.__name__:
        return []
    return [str(item.callspec.params["name"])]


@pytest.mark.timeout(600)  # the first of them waits for nobody, the last for all others
@pytest.mark.parametrize("name", FAULTS)
def test_fault(runs: dict[str, Future[Outcome]], name: str) -> None:
    failed, output = runs[name].result()
    fault = FAULTS[name]
    assert failed - fault.may_fail == fault.fails, output[-3000:]


def test_every_row_has_a_fault() -> None:
    assert {fault.row for fault in FAULTS.values()} == set(Row)

"""What the command line chooses: engines, how many cases, the bare servers, where results go."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from tests.autobahn.catalogue import BARE_SERVERS, ENGINES
from tests.autobahn.running import Cases, run_bare, run_engine
from tests.autobahn.verdicts import Results

Fuzz = Callable[[str], Results]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("autobahn", "the cases of the Autobahn test suite")
    group.addoption("--all", action="store_true", help="all 517 cases, not only the quick 301")
    group.addoption("--bare", action="store_true", help="the servers without turnout as well")
    group.addoption("--results", type=Path, metavar="FOLDER", help="keep the results for the table")


def chosen_engines(config: pytest.Config) -> list[str]:
    """Return the names of the engine that the command line asks for, or of all."""
    engine = config.getoption("--engine", default=None)
    strategy = config.getoption("--strategy", default=None)
    if engine is None:
        return list(ENGINES)
    return [one.name for one in ENGINES.values() if _matches(one.choice, engine, strategy)]


def _matches(choice: tuple[str, str | None], engine: str, strategy: str | None) -> bool:
    return choice[0] == engine and strategy in (None, choice[1])


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave the comparison out unless it is asked for."""
    return (collection_path.name == "test_bare.py" and not config.getoption("--bare")) or None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    names = metafunc.fixturenames
    engines = chosen_engines(metafunc.config)
    pairs = [(engine, bare) for engine in engines for bare in ENGINES[engine].bare]
    if "engine_name" in names and "bare_name" in names:
        metafunc.parametrize(("engine_name", "bare_name"), pairs, ids=map(" and ".join, pairs))
    elif "engine_name" in names:
        metafunc.parametrize("engine_name", engines)
    elif "bare_name" in names:
        everyone = len(engines) == len(ENGINES)
        wanted = BARE_SERVERS if everyone else dict.fromkeys(bare for _, bare in pairs)
        metafunc.parametrize("bare_name", list(wanted))


@pytest.fixture(scope="session")
def cases(request: pytest.FixtureRequest) -> Cases:
    """The cases to run."""
    return Cases(whole=bool(request.config.getoption("--all")))


@pytest.fixture(scope="session")
def keep(request: pytest.FixtureRequest) -> Callable[[Results], None]:
    """Return a function that keeps results where `--results` says."""
    folder: Path | None = request.config.getoption("--results")

    def write(results: Results) -> None:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            results.write(folder)

    return write


@pytest.fixture(scope="session")
def fuzz(
    cases: Cases, keep: Callable[[Results], None], tmp_path_factory: pytest.TempPathFactory
) -> Fuzz:
    """Return a function that puts the cases to an engine, once a session."""

    @cache
    def run(name: str) -> Results:
        results = run_engine(ENGINES[name], cases, tmp_path_factory.mktemp("engine") / "reports")
        keep(results)
        return results

    return run


@pytest.fixture(scope="session")
def fuzz_bare(
    cases: Cases, keep: Callable[[Results], None], tmp_path_factory: pytest.TempPathFactory
) -> Fuzz:
    """Return a function that puts the cases to a bare server, once a session."""

    @cache
    def run(name: str) -> Results:
        folder = tmp_path_factory.mktemp("bare") / "reports"
        results = run_bare(BARE_SERVERS[name], cases, folder)
        keep(results)
        return results

    return run

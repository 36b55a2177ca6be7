"""The Autobahn project's cases find on every engine exactly what `engines.toml` says."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.autobahn.catalogue import DEVIATIONS, ENGINES, Deviation, expected
from tests.autobahn.running import Cases
from tests.autobahn.verdicts import VERDICTS, Results

from turnout import plugins

pytestmark = pytest.mark.timeout(4000)  # kosoku has a deadline of its own
Fuzz = Callable[[str], Results]


def test_every_case_ends_as_expected(engine_name: str, fuzz: Fuzz, cases: Cases) -> None:
    found = fuzz(engine_name).cases
    assert len(found) == cases.count
    differences = [
        f"{case}: {verdict}, expected {expected(engine_name, case)}"
        for case, verdict in found.items()
        if verdict != expected(engine_name, case)
    ]
    assert not differences, "\n".join(differences)


def test_every_engine_that_comes_with_turnout_is_listed() -> None:
    own = [one for one in map(plugins.find, plugins.names()) if one.distribution == "turnout"]
    names = [
        " ".join(filter(None, (one.name, variant)))
        for one in own
        for variant in one.load().variants or (None,)
    ]
    assert sorted(names) == sorted(ENGINES)


@pytest.mark.parametrize("deviation", DEVIATIONS, ids=lambda one: one.cases[0])
def test_a_deviation_is_of_a_known_kind_and_engine(deviation: Deviation) -> None:
    assert deviation.verdict in VERDICTS[1:]
    assert {*deviation.engines} <= {"*", *ENGINES}

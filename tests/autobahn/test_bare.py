"""On no case does turnout on an engine do worse than a server that its users would run without."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.autobahn.running import Cases
from tests.autobahn.verdicts import Results

pytestmark = pytest.mark.timeout(8000)  # kosoku has a deadline of its own
Fuzz = Callable[[str], Results]


def test_there_is_something_to_compare_with(bare_name: str, fuzz_bare: Fuzz, cases: Cases) -> None:
    found = fuzz_bare(bare_name).cases
    assert len(found) == cases.count
    assert "OK" in found.values()


def test_never_below_the_bare_server(
    engine_name: str, bare_name: str, fuzz: Fuzz, fuzz_bare: Fuzz
) -> None:
    worse = fuzz(engine_name).worse_than(fuzz_bare(bare_name))
    # An extension that the engine declares away is no failure; `engines.toml` gives the reason.
    below = {case: verdict for case, verdict in worse.items() if verdict != "unimplemented"}
    assert below == {}

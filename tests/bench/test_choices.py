"""What the command line of the echoes takes, and how loads are called."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.bench.echo import HANDLERS, KINDS, LOADS, label, parse, subjects
from tests.bench.loader import Load
from tests.bench.servers import turnout
from tests.bench.startup import Began, compiled_once, rounds_of

SHOW = "import sys; print(sys.dont_write_bytecode, sys.pycache_prefix)"


def test_one_word_chooses_every_load_as_text_and_as_binary() -> None:
    chosen = parse(["--cases", "all", "--engines", "gevent"])
    assert (chosen.loads, chosen.kinds) == ([*LOADS], [*KINDS])
    assert chosen.handlers == [HANDLERS[0]]


def test_unless_told_it_is_one_load_of_text() -> None:
    chosen = parse([])
    assert (chosen.loads, chosen.kinds) == (["small"], ["text"])


def test_names_stand_between_commas() -> None:
    chosen = parse(["--loads", "single,large", "--kinds=binary", "--handlers", "all"])
    assert (chosen.loads, chosen.kinds) == (["single", "large"], ["binary"])
    assert chosen.handlers == [*HANDLERS]


def test_a_wrong_name_is_told_before_anything_is_measured(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        parse(["--loads", "small,huge"])
    assert "huge is none of single, single-pipelined, small" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("load", "words"),
    [
        (Load(connections=1, in_flight=8), "1 connection, 8 in flight, 125 B text"),
        (Load(size=16 * 1024, kind="binary"), "64 connections, 1 in flight, 16 KiB binary"),
        (Load(size=1024**2, deflate=True), "64 connections, 1 in flight, 1 MiB text deflate"),
        (Load(size=1024, tls=True), "64 connections, 1 in flight, 1 KiB text over TLS"),
    ],
)
def test_a_load_is_called_by_what_is_sent(load: Load, words: str) -> None:
    assert str(load) == words


def test_over_tls_take_part_those_that_can() -> None:
    options = parse(["--engines", "tornado,aiohttp", "--bare", "--tls"])
    options.pem = Path("both.pem")
    taking_part = subjects(options, Load(tls=True))
    assert [one.name for one in taking_part] == [
        "raw",
        "tornado",
        "turnout on tornado",
        "turnout on aiohttp",
    ]
    assert all(one.command[-1] == "both.pem" for one in taking_part)


def test_a_row_names_its_handler_unless_it_is_the_usual_one_alone() -> None:
    usual, stream = HANDLERS[:2]
    assert label(turnout("gevent"), [usual]) == "turnout on gevent"
    assert label(turnout("gevent"), [usual, stream]) == "turnout on gevent async/callback"
    assert label(turnout("gevent", f"/{stream}"), [stream]) == "turnout on gevent async/stream"


def test_processes_share_compiled_modules_that_are_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    with compiled_once():
        shown = subprocess.run(
            [sys.executable, "-c", SHOW], check=True, capture_output=True, text=True
        )
        refuses, _, folder = shown.stdout.strip().partition(" ")
        assert refuses == "False"
        assert any(Path(folder).rglob("*.pyc"))
    assert not Path(folder).exists()
    assert os.environ["PYTHONDONTWRITEBYTECODE"] == "1"


def test_the_first_round_is_discarded() -> None:
    times = iter([9.0, 1.0, 2.0])
    found = rounds_of({"a": lambda: Began(next(times), 0.0)}, 2)
    assert found == {"a": [Began(1.0, 0.0), Began(2.0, 0.0)]}

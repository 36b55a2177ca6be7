"""What an author reads who has made a mistake: the right rule, what came, what to change; soon."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from tests.cli.commands import Project
from tests.cli.strangers import install_stranger
from tests.testing.broken_strategies import STRATEGIES

TESTS = Path(__file__).parents[1]
BOUND = 120.0
"""Seconds in which any run must be over, though it waits for nothing again and again."""

pytestmark = pytest.mark.timeout(BOUND + 30)

Judge = Callable[..., "Judgement"]


class Judgement:
    """What `turnout conformance` says of a strategy."""

    def __init__(self, done: subprocess.CompletedProcess[str], report: dict[str, Any]) -> None:
        self.code = done.returncode
        self.errors = done.stderr
        self.report = report
        self.text = re.sub(r"\s+", " ", done.stdout)  # lines are wrapped

    def outcomes(self, row: str) -> dict[str, str]:
        tests = self.report["rows"][row]["tests"]
        return {name: test["outcome"] for name, test in tests.items()}

    def assert_says(self, *phrases: str) -> None:
        missing = [phrase for phrase in phrases if phrase not in self.text]
        assert not missing, self.text


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    """Return a function that runs the suite on a broken strategy, or on a seeded fault."""

    def run(strategy: str, *words: str, fault: str | None = None, deadline: str = "4") -> Judgement:
        site = tmp_path / "site"
        site.mkdir()
        install_stranger(site, dedent(STRATEGIES[strategy]), engine="broken")
        project = Project(tmp_path)
        places = [str(site), str(TESTS / "third_party"), str(TESTS / "faults")]
        variables = {"PYTHONPATH": os.pathsep.join(places), "TURNOUT_TEST_DEADLINE": deadline}
        if fault is not None:
            variables["TURNOUT_FAULT"] = fault
            words = (*words, "--subject", "faulty_subject:registry")
        done = subprocess.run(
            project.argv("conformance", "broken", "--json", "report.json", *words),
            check=False,
            cwd=tmp_path,
            env=project.variables(**variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=BOUND,
        )
        assert (tmp_path / "report.json").stat().st_size, done.stderr
        return Judgement(done, json.loads((tmp_path / "report.json").read_text()))

    return run


def test_sound_strategy(judge: Judge) -> None:
    found = judge("sound", "--only", "PINGS", "--only", "test_accepted_handshake")
    assert (found.code, found.errors) == (0, "")
    found.assert_says(
        "passed ACCEPT 2 passed opening handshake",
        "passed PINGS",
        "broken conforms:",
    )
    assert "to change" not in found.text


def test_wrong_accept_key(judge: Judge) -> None:
    found = judge("sound", "--only", "accepted_handshake", fault="wrong_accept_key")
    assert found.code == 1
    found.assert_says(
        "FAILED the answer is 101 with the accept key (RFC 6455 §4.2.2)",
        "rule from RFC 6455 §4.2.2",
        "expected the header Sec-WebSocket-Accept to be",
        "client GET /async/echo HTTP/1.1, an opening handshake",
        "server 101 Switching Protocols; Sec-WebSocket-Accept:",
        "to change Write the 101 from `upgrade.response_headers` as it is",
        "run again turnout conformance broken --only test_accepted_handshake",
    )


def test_lost_close_reason(judge: Judge) -> None:
    found = judge("sound", "--only", "test_close_by_the_handler", fault="lost_close_reason")
    assert found.code == 1
    found.assert_says(
        "FAILED the handler's close code and reason are on the wire",
        "of 10 cases (test_closing.py:",
        "rule from RFC 6455 §5.5.1, RFC 6455 §7.1",
        "expected a close frame with 1013 and the reason 'later'",
        "got a close frame with 1013 and no reason",
        "to change The close frame carried no reason: `send_close()` must put `status.reason`",
    )


def test_lost_close_code(judge: Judge) -> None:
    found = judge("close_without_a_code", "--only", "test_close_by_the_handler")
    assert found.code == 1
    found.assert_says(
        "got a close frame without a code",
        "to change The close frame carried no code: `send_close()` must put `status.code`",
    )


def test_missing_mask_check(judge: Judge) -> None:
    found = judge("sound", "--only", "test_unmasked_frame", fault="missing_mask_check")
    assert found.code == 1
    found.assert_says(
        "FAILED an unmasked frame → 1002 (RFC 6455 §5.1)",
        "expected a close frame with 1002",
        "got nothing for 4 seconds",
        "client a text frame of 0 bytes, not masked",
        "to change A frame from a client must have the mask bit",
    )


def test_late_refusal(judge: Judge) -> None:
    found = judge("sound", "--only", "test_refused_by_false", fault="late_refusal")
    assert found.code == 1
    found.assert_says(
        "FAILED an interceptor that returns False and sets nothing → 403, never 200",
        "rule from turnout's contract, row REFUSAL",
        "expected the status to be 403 Forbidden",
        "got 101 Switching Protocols",
        "to change A refusal reaches your server as `response.send(status, headers, body)`",
    )


def test_declaration_that_is_wrong(judge: Judge) -> None:
    found = judge("claims_too_little", "--only", "PIECES")
    assert found.code == 1
    found.assert_says(
        "declared away",
        "(without partial_send)",
        "FAILED the capability partial_send says what the engine shows",
        "to change The declaration is wrong: set `capabilities` of your strategy",
    )


def test_upgrade_that_raises(judge: Judge) -> None:
    found = judge("upgrade_raises")
    assert found.code == 1
    found.assert_says(
        "ENDED EARLY no WebSocket can be used: the other tests were not run",
        "got 500 Internal Server Error",
        "in the log RuntimeError: not written yet",
        "raised in upgrade,",
        "turnout_broken.py:",
        "to change `upgrade()` is called once a handshake is accepted, and must write the 101.",
    )
    assert found.report["counts"]["failed"] == 1


@pytest.mark.parametrize("strategy", ["upgrade_waits", "loop_is_blocked"])
def test_server_that_hangs(judge: Judge, strategy: str) -> None:
    """The run is over when one test and two looks after the server have waited."""
    found = judge(strategy, deadline="2")
    assert found.code == 1
    found.assert_says(
        "ENDED EARLY no WebSocket can be used",
        "expected an HTTP response",
        "got nothing for 1 second",
        "to change The connection is accepted and then nothing happens.",
    )
    assert found.report["counts"]["failed"] == 1


def test_process_that_ends_at_a_handshake(judge: Judge) -> None:
    found = judge("process_ends")
    assert found.code == 1
    found.assert_says(
        "ENDED EARLY no WebSocket can be used",
        "expected a server that goes on running",
        "got exit code 3",
        "to change The process of the server must outlive whatever a client does",
    )


def test_serve_that_raises(judge: Judge) -> None:
    found = judge("serve_raises")
    assert found.code == 1
    found.assert_says(
        "ENDED EARLY the server does not start",
        "got exit code 1 and the words 'RuntimeError: no idea how to listen'",
        "raised in serve,",
        "to change `serve()` must listen where `settings` says",
    )


def test_serve_that_says_nothing(judge: Judge) -> None:
    found = judge("serve_says_nothing")
    assert found.code == 1
    found.assert_says(
        "got a process that runs and does not say so",
        "to change `serve()` must call `settings.announce(address)` as soon as it listens",
    )


def test_process_that_ends_now_and_then_is_replaced(judge: Judge) -> None:
    words = ("--only", "test_ping_to_a_waiting_handler", "--only", "test_unsolicited_pong")
    found = judge("ends_at_a_ping", *words)
    assert found.outcomes("PINGS") == {
        "test_ping_to_a_waiting_handler": "failed",
        "test_unsolicited_pong[async]": "passed",
        "test_unsolicited_pong[plain]": "passed",
    }
    found.assert_says("expected a frame", "got the end of the connection")


def test_process_that_ends_again_and_again_is_given_up(judge: Judge) -> None:
    found = judge("ends_at_a_ping", "--only", "PINGS", "--only", "DEFLATE")
    found.assert_says(
        "ENDED EARLY the server had to be replaced 5 times",
        "to change The process of the server must outlive whatever a client does",
    )


def test_row_that_waits_in_vain_is_left(judge: Judge) -> None:
    words = ("--only", "VIOLATION", "--only", "test_text")
    found = judge("deaf_to_violations", *words, deadline="1")
    outcomes = list(found.outcomes("VIOLATION").values())
    assert outcomes.count("failed") == 3
    assert outcomes.count("not run") == len(outcomes) - 3
    assert set(found.outcomes("MESSAGES").values()) == {"passed"}
    found.assert_says(
        "(not run: 3 tests of this row waited in vain)",
        "got nothing for 1 second",
    )

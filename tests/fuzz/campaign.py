"""One target under atheris, in a process of its own: libFuzzer ends its process when it is done."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.corpus import unpack

__all__ = ["Campaign", "Result"]

SLOWEST = 20
"""Seconds for one input, on a busy machine; what takes longer has failed."""
INPUTS = re.compile(r"stat::number_of_executed_units: (\d+)")
PROGRESS = re.compile(r"^#(\d+)\s.*\bcov: (\d+) ft: \d+ corp: (\d+)", re.MULTILINE)
ARTIFACT = re.compile(r"Test unit written to (.+)")
LONGEST_REPORT = 8000


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a campaign; `failure` is the file with the input, `report` the last output."""

    target: str
    inputs: int
    seconds: int
    edges: int
    corpus: int
    failure: str | None
    report: str


@dataclass(frozen=True, slots=True)
class Campaign:
    """So many inputs for one target; what it finds is kept in `folder` for the next time."""

    target: str
    folder: Path
    runs: int
    max_length: int
    seconds: int = 0

    def run(self) -> Result:
        """Fuzz and return what came of it."""
        seeds, found = self.folder / f"{self.target}.seeds", self.folder / self.target
        unpack(self.target, seeds)
        found.mkdir(parents=True, exist_ok=True)
        begun = time.monotonic()
        ended = subprocess.run(
            [*self._command(), str(found), str(seeds)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        return self._result(ended, round(time.monotonic() - begun))

    def _command(self) -> list[str]:
        return [
            sys.executable,
            "-m",
            "tests.fuzz.worker",
            self.target,
            f"-runs={self.runs}",
            f"-max_total_time={self.seconds}",
            f"-max_len={self.max_length}",
            f"-timeout={SLOWEST}",
            f"-artifact_prefix={self.folder}/{self.target}-",
            "-print_final_stats=1",
        ]

    def _result(self, ended: subprocess.CompletedProcess[str], seconds: int) -> Result:
        output = ended.stdout
        counted, progress = INPUTS.search(output), PROGRESS.findall(output)
        artifact = ARTIFACT.search(output)
        failure = None
        if ended.returncode != 0 or counted is None:
            failure = artifact[1] if artifact else f"exit status {ended.returncode}"
        return Result(
            target=self.target,
            inputs=int(counted[1]) if counted else int(progress[-1][0]) if progress else 0,
            seconds=seconds,
            edges=int(progress[-1][1]) if progress else 0,
            corpus=int(progress[-1][2]) if progress else 0,
            failure=failure,
            report=output[max(output.find("Uncaught Python exception"), 0) :][-LONGEST_REPORT:],
        )

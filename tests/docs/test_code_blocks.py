"""Every block of code in the README and the docs compiles, and runs unless it says that it cannot.

A page runs from top to bottom in a directory of its own, where 8080 stands for a free port.

- A `python` block runs in an interpreter of its own. With `title="app.py"` it is written to that
  file first, and left to the later block that uses the file, if there is one.
- In a `console` block the lines after `$ ` are commands, and what follows is their output, in which
  `...` stands for anything. A block without `$ ` is commands only.
- A comment right above a block changes that. `<!-- continues -->` runs it after the `python` block
  before it, in the same interpreter. `<!-- keeps running -->` leaves its one command running until
  the next such block, or the end of the page, interrupts it. `<!-- fragment: the reason -->` only
  compiles it.
"""

from __future__ import annotations

import ast
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md"))]
NOT_RUN = {"text", "toml", "json", "ini", "nginx", "http", "html"}
RUN = {"python", "console"}
DEADLINE = 50  # seconds for one command

FENCE = re.compile(
    r"""(?P<marks>(?:^[ ]*<!--.*-->\n)*)             # directives, directly above
        ^(?P<indent>[ ]*)(?P<ticks>```+)(?P<info>.*)\n
        (?P<source>(?:.*\n)*?)
        ^(?P=indent)(?P=ticks)[ ]*$""",
    re.MULTILINE | re.VERBOSE,
)
MARK = re.compile(r"<!--\s*(fragment:\s*\S.*?|continues|keeps running)\s*-->")


@dataclass(frozen=True)
class Block:
    """One fenced block of a page."""

    page: Path
    line: int
    language: str
    title: str | None
    marks: tuple[str, ...]
    source: str

    def __str__(self) -> str:
        page = self.page.relative_to(ROOT) if self.page.is_relative_to(ROOT) else self.page
        return f"{page}:{self.line}"

    @property
    def is_fragment(self) -> bool:
        """Whether the page says that it cannot run."""
        return any(mark.startswith("fragment") for mark in self.marks)

    def commands(self) -> list[tuple[str, str]]:
        """Return each command of a console block with the output that the page shows."""
        if not re.search(r"^\$ ", self.source, re.MULTILINE):
            return [(self.source, "")]
        parts = re.split(r"^\$ ", self.source, flags=re.MULTILINE)[1:]
        joined = [re.match(r"((?:.*\\\n)*.*)\n?([\s\S]*)", part) for part in parts]
        return [(match[1], match[2]) for match in joined if match]


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text()
    return [_block(page, text, match) for match in FENCE.finditer(text)]


def _block(page: Path, text: str, match: re.Match[str]) -> Block:
    language, _, rest = match["info"].strip().partition(" ")
    title = re.search(r'title="([^"]+)"', rest)
    return Block(
        page=page,
        line=text.count("\n", 0, match.start("source")) + 1,
        language=language,
        title=title[1] if title else None,
        marks=tuple(MARK.findall(match["marks"])),
        source=textwrap.dedent(match["source"]),
    )


BLOCKS = [block for page in PAGES for block in blocks_of(page)]


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_block_compiles(block: Block) -> None:
    assert block.language in RUN | NOT_RUN, f"{block}: no language that is known here"
    match block.language:
        case "python":
            flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT if block.is_fragment else 0
            compile(block.source, str(block), "exec", flags=flags)
        case "console":
            for command, _ in block.commands():
                subprocess.run(["bash", "-n", "-c", command], check=True, timeout=DEADLINE)
        case "toml":
            tomllib.loads(block.source)
        case "json":
            json.loads(block.source)


@pytest.mark.parametrize(
    "page",
    [
        page
        for page in PAGES
        if any(block.language in RUN and not block.is_fragment for block in blocks_of(page))
    ],
    ids=lambda page: str(page.relative_to(ROOT)),
)
@pytest.mark.timeout(300)
def test_page_runs(page: Path, tmp_path: Path) -> None:
    run_page(page, tmp_path)


GOOD_PAGE = """
```python title="serve.py"
import signal

signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
print("ready")
signal.sigwait([signal.SIGINT])
```
```python title="greeting.py"
WORD = "hello"
```
```python
from greeting import WORD
```
<!-- continues -->
```python
assert WORD == "hello"
```
```console
$ python -c 'import greeting; print(greeting.WORD, 8080)'
hello 8080
```
<!-- keeps running -->
```console
$ python serve.py
ready
```
<!-- fragment: no such name -->
```python
await nothing
```
"""


def test_a_page_may_use_all_of_this(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(GOOD_PAGE)
    run_page(page, tmp_path)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("from greeting import WORD\n", "from greeting import WORDS\n"),
        ('assert WORD == "hello"', 'assert WORD == "goodbye"'),
        ("<!-- continues -->\n", ""),
        ("\nhello 8080", "\nhello 8"),
        ("\nready", "\nalready"),
        ("sigwait([signal.SIGINT])", "sigwait([signal.SIGINT]); raise SystemExit(3)"),
        ("<!-- fragment: no such name -->", "<!-- fragment: -->"),
    ],
)
def test_a_page_that_is_wrong_fails(right: str, wrong: str, tmp_path: Path) -> None:
    assert GOOD_PAGE.count(right) == 1
    page = tmp_path / "page.md"
    page.write_text(GOOD_PAGE.replace(right, wrong))
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        run_page(page, tmp_path, seconds=3)


def run_page(page: Path, directory: Path, seconds: float = DEADLINE) -> None:
    """Run the blocks of a page from top to bottom, each command in that many seconds."""
    with contextlib.closing(PageRun(directory, seconds)) as run:
        blocks = [block for block in blocks_of(page) if not block.is_fragment]
        for index, block in enumerate(blocks):
            if block.language == "python":
                run.python(block, later=blocks[index + 1 :])
            elif block.language == "console":
                run.console(block)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class PageRun:
    """The blocks of one page, run in order."""

    directory: Path
    seconds: float
    port: int = field(default_factory=free_port)
    previous: str = ""
    server: subprocess.Popen[str] | None = None

    def python(self, block: Block, later: list[Block]) -> None:
        source = self._with_port(block.source)
        if "continues" in block.marks:
            source = self.previous + source
        self.previous = source
        file = self.directory / (block.title or f"block_{block.line}.py")
        file.write_text(source)
        if block.title is None or not any(file.stem in other.source for other in later):
            self._run([sys.executable, "-W", "error", file.name], block)

    def console(self, block: Block) -> None:
        for command, output in block.commands():
            if "keeps running" in block.marks:
                self._start(self._with_port(command), self._with_port(output), block)
                continue
            printed = self._run(["bash", "-ec", self._with_port(command)], block)
            wanted = self._with_port(output)
            assert not wanted or shown(wanted).fullmatch(printed.strip()), (
                f"{block}: {command!r} printed\n{printed}\nand the page says\n{wanted}"
            )

    def close(self) -> None:
        """Interrupt the command that keeps running, and expect it to end well."""
        if self.server is None:
            return
        server, self.server = self.server, None
        with deadline(server, self.seconds), server:
            server.send_signal(signal.SIGINT)
            output, _ = server.communicate()
        assert server.returncode == 0, f"ended with {server.returncode} when interrupted:\n{output}"

    def _start(self, command: str, output: str, block: Block) -> None:
        self.close()
        assert output.strip(), f"{block}: show the line that says that it is ready"
        self.server = subprocess.Popen(
            ["bash", "-c", f"exec {command}"],
            cwd=self.directory,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        printed = ""
        assert self.server.stdout is not None
        with deadline(self.server, self.seconds):
            for line in self.server.stdout:
                printed += line
                if shown(output).fullmatch(printed.strip()):
                    return
        pytest.fail(f"{block}: {command!r} printed\n{printed}\nand the page says\n{output}")

    def _run(self, command: list[str], block: Block) -> str:
        done = subprocess.run(
            command,
            cwd=self.directory,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=self.seconds,
        )
        assert done.returncode == 0, f"{block} ended with {done.returncode}:\n{done.stdout}"
        return done.stdout

    def _with_port(self, text: str) -> str:
        return re.sub(r"\b8080\b", str(self.port), text)


def environment() -> dict[str, str]:
    """Return an environment in which `python` and `turnout` are those that run the tests."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "NO_COLOR": "1", "COLUMNS": "100", "PYTHONUNBUFFERED": "1"}


def shown(output: str) -> re.Pattern[str]:
    """Return the pattern of an output in which `...` stands for anything."""
    return re.compile(re.escape(output.strip()).replace(r"\.\.\.", ".*"), re.DOTALL)


@contextlib.contextmanager
def deadline(process: subprocess.Popen[str], seconds: float) -> Iterator[None]:
    """Kill `process` when the body takes longer than `seconds`."""
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()

"""`turnout demo --check` on every engine, and that it can fail."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.demo.engines import DEADLINE, Demo

CONVERSATION = {
    "Ada": [
        "joined the room 'platform 9' as Ada",
        "sees that Grace is here",
        "says: Hello Grace! 👋",
        "hears from Grace: Hello Ada, good to see you.",
        "left and closed the connection: 1000",
    ],
    "Grace": [
        "joined the room 'platform 9' as Grace",
        "hears from Ada: Hello Grace! 👋",
        "says: Hello Ada, good to see you.",
        "sees that Ada has left",
        "left and closed the connection: 1000",
    ],
}


def check(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "turnout.cli", "demo", "--check", *words],
        check=False,
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=2 * DEADLINE,
    )


def said_by(name: str, output: str) -> list[str]:
    pairs = (line.split(" | ", 1) for line in output.splitlines())
    return [line for who, line in pairs if who.strip() == name]


def test_two_clients_talk_through_every_engine(demo_engine: tuple[str, ...]) -> None:
    result = check("--engine", *demo_engine)
    assert (result.returncode, result.stderr) == (0, ""), result.stdout
    for name, lines in CONVERSATION.items():
        assert said_by(name, result.stdout) == lines
    assert said_by("server", result.stdout)[-1] == "stopped on SIGTERM: exit code 0"
    engine = " ".join(demo_engine).replace("--strategy ", "")
    assert said_by("check", result.stdout) == [f"passed: two clients talked through {engine}"]


def sabotage(folder: Path, code: str) -> str:
    """Return a Python path on which every process first runs `code`."""
    (folder / "sitecustomize.py").write_text(code)
    return str(folder)


def test_a_chat_that_loses_messages_fails_the_check(tmp_path: Path) -> None:
    path = sabotage(
        tmp_path,
        """
import sys
if "demo" in sys.orig_argv:
    from turnout.demo.chat import Chat
    Chat.say = lambda *_: None
if "turnout.demo.client" in sys.orig_argv:
    from turnout.testing import RawClient
    RawClient.__init__.__kwdefaults__["timeout"] = 2.0
""",
    )
    result = check(PYTHONPATH=path)
    assert result.returncode == 1, (result.stdout, result.stderr)
    assert said_by("check", result.stdout)[-1].endswith("ended with exit code 1")


def test_a_server_that_does_not_start_fails_the_check(tmp_path: Path) -> None:
    path = sabotage(
        tmp_path,
        "import sys\nif '--check' not in sys.orig_argv and 'demo' in sys.orig_argv: sys.exit(3)\n",
    )
    result = check(PYTHONPATH=path)
    assert result.returncode == 1, (result.stdout, result.stderr)
    assert "before it listened" in said_by("check", result.stdout)[0]


def test_the_demo_says_where_its_page_is() -> None:
    with Demo(("wsproto",)) as demo:
        assert demo.lines == [
            f"turnout: listening on ws://127.0.0.1:{demo.port} (engine wsproto)\n",
            f"turnout: open http://127.0.0.1:{demo.port}/ in two tabs\n",
        ]
        demo.stop(signal.SIGINT)

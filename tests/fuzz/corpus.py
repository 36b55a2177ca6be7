"""The committed inputs of each target: a line of hexadecimal digits each, with what it is for."""

from __future__ import annotations

from hashlib import sha1
from pathlib import Path

__all__ = ["TARGETS", "read", "unpack"]

FOLDER = Path(__file__).parent / "corpus"
TARGETS = sorted(path.stem for path in (Path(__file__).parent / "targets").glob("*.py"))


def read(target: str) -> list[bytes]:
    """Return the inputs of a target; what follows a `#` is a comment."""
    lines = (FOLDER / f"{target}.txt").read_text().splitlines()
    return [bytes.fromhex(line.partition("#")[0]) for line in lines if not line.startswith("#")]


def unpack(target: str, folder: Path) -> None:
    """Write each input into a file of its own, as libFuzzer takes them."""
    folder.mkdir(parents=True, exist_ok=True)
    for data in read(target):
        (folder / sha1(data).hexdigest()).write_bytes(data)

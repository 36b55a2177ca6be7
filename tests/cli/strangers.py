"""Engines that nobody has heard of, and an environment in which the usual ones are missing."""

from __future__ import annotations

import importlib.util
import subprocess
import venv
from importlib.metadata import distribution
from pathlib import Path
from textwrap import dedent

__all__ = ["bare_environment", "install_stranger"]


def install_stranger(
    folder: Path,
    module: str,
    *,
    engine: str = "stranger",
    name: str | None = None,
    requires: tuple[str, ...] = (),
    extras: tuple[str, ...] = (),
) -> Path:
    """Put a distribution with one engine into `folder`, as pip would; `module` is its code."""
    name = name or f"turnout-{engine}"
    package = name.replace("-", "_")
    (folder / f"{package}.py").write_text(dedent(module), encoding="utf-8")
    info = folder / f"{package}-0.3.dist-info"
    info.mkdir()
    lines = ["Metadata-Version: 2.1", f"Name: {name}", "Version: 0.3"]
    lines += [f"Provides-Extra: {extra}" for extra in extras]
    lines += [f"Requires-Dist: {one}" for one in requires]
    (info / "METADATA").write_text("\n".join([*lines, ""]))
    (info / "entry_points.txt").write_text(
        f"[turnout.upgrade_strategies]\n{engine} = {package}:Strategy\n"
    )
    return folder


def bare_environment(folder: Path) -> str:
    """Make a virtual environment that has turnout and what it requires, and no more."""
    venv.create(folder, symlinks=True)
    python = str(folder / "bin" / "python")
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(subprocess.check_output([python, "-c", code], text=True, timeout=30).strip())
    for package in ("turnout", "turnout_adapters", "turnout_compat", "wsproto", "h11"):
        found = importlib.util.find_spec(package)
        assert found is not None
        assert found.origin is not None
        (site / package).symlink_to(Path(found.origin).parent)
    for required in ("turnout", "wsproto", "h11"):
        here = Path(str(distribution(required).locate_file("")))
        (info,) = here.glob(f"{required}-*.dist-info")
        (site / info.name).symlink_to(info)
    return python

"""`turnout engines`: what is known, what is installed, and what each can do."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from turnout import plugins
from turnout.capabilities import Capabilities
from turnout.cli.engine_choice import load_failure
from turnout.cli.parser import Subcommands
from turnout.cli.terminal import Styles, fold_last, format_table, width_of
from turnout.errors import EngineError, EngineNotInstalledError
from turnout.strategy import RequestUpgradeStrategy

__all__ = ["add_to"]

DESCRIPTION = """\
List the engines: which are installed, in which version, on which runtime they run their handlers,
their strategies, and what they declare that they cannot do. An engine that is not installed is
listed with the command that installs it.
"""

EXAMPLES = """\
turnout engines
turnout engines --json"""


def add_to(commands: Subcommands) -> None:
    """Add the command."""
    parser = commands.add(
        "engines",
        summary="list the engines and what they can do",
        usage="[--json]",
        description=DESCRIPTION,
        examples=EXAMPLES,
    )
    parser.add_argument("--json", action="store_true", help="print JSON in place of the table")
    parser.set_defaults(run=run)


@dataclass(frozen=True, slots=True)
class Variant:
    """One strategy of an engine; `name` is None where there is only one."""

    name: str | None
    is_default: bool
    runtime: str
    capabilities: dict[str, bool]
    unsupported_options: list[str]

    @property
    def lacks(self) -> str:
        """What it declares away, in words."""
        denied = [name for name, able in self.capabilities.items() if not able]
        return ", ".join([*denied, *self.unsupported_options]) or "-"


@dataclass(frozen=True, slots=True)
class Engine:
    """What there is to say about an engine; `problem` tells why it cannot be used."""

    name: str
    installed: bool
    provider: dict[str, str | None]
    server: dict[str, str | None] | None
    strategies: list[Variant]
    install: str | None
    problem: str | None


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    engines = [_describe(name) for name in plugins.names()]
    if arguments.json:
        print(json.dumps([asdict(engine) for engine in engines], indent=2))
    else:
        _print_table(engines, Styles(sys.stdout))
    return 0


def _describe(name: str) -> Engine:
    plugin = plugins.find(name)
    strategy, problem, installed = None, None, True
    try:
        strategy = plugin.load()
    except EngineNotInstalledError:
        problem, installed = "not installed", False
    except EngineError as error:
        problem = str(error)
    except Exception as error:  # one broken plug-in must not hide the others
        problem = load_failure(name, error)
    return Engine(
        name=name,
        installed=installed,
        provider={"distribution": plugin.distribution, "version": plugin.version},
        server=None if strategy is None else _server(strategy),
        strategies=[] if strategy is None else _variants(strategy),
        install=plugin.install_command,
        problem=problem,
    )


def _server(strategy: type[RequestUpgradeStrategy]) -> dict[str, str | None]:
    return {
        "distribution": strategy.distribution,
        "version": _version(strategy.distribution),
    }


def _version(distribution: str | None) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    if distribution is None:
        return None
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _variants(strategy: type[RequestUpgradeStrategy]) -> list[Variant]:
    if not strategy.variants:
        return [_variant(None, strategy, is_default=True)]
    default = next(iter(strategy.variants))
    return [_variant(name, one, name == default) for name, one in strategy.variants.items()]


def _variant(name: str | None, strategy: type[RequestUpgradeStrategy], is_default: bool) -> Variant:
    declared = strategy.capabilities
    return Variant(
        name=name,
        is_default=is_default,
        runtime=strategy.runtime,
        capabilities={flag: getattr(declared, flag) for flag in _flags()},
        unsupported_options=sorted(declared.unsupported_options),
    )


def _flags() -> dict[str, str]:
    """Return every yes-or-no capability with its meaning."""
    return {
        one.name: one.metadata["meaning"]
        for one in fields(Capabilities)
        if isinstance(one.default, bool)
    }


HEADER = ("engine", "strategy", "runtime", "server", "cannot do")


def _print_table(engines: Sequence[Engine], styles: Styles) -> None:
    rows = [row for engine in engines for row in _rows(engine)]
    header, *lines = format_table(HEADER, rows)
    width = width_of(sys.stdout)
    for line in fold_last(header, HEADER[-1], width):
        print(styles.bold(line))
    for line, row in zip(lines, rows, strict=True):
        print("\n".join(fold_last(line, row[-1], width)))
    _print_problems(engines, styles)
    print()
    print(styles.bold("capabilities, which an engine has unless they are listed above"))
    width = max(map(len, _flags()))
    for name, meaning in _flags().items():
        print(f"  {name.ljust(width)}  {styles.dim(meaning)}")


def _rows(engine: Engine) -> list[tuple[str, ...]]:
    if not engine.strategies:
        return [(engine.name, "-", "-", "not installed" if not engine.installed else "broken", "")]
    return [
        (
            engine.name if one.is_default else "",
            _title(one),
            one.runtime,
            _server_title(engine.server) if one.is_default else "",
            one.lacks,
        )
        for one in engine.strategies
    ]


def _title(variant: Variant) -> str:
    if variant.name is None:
        return "-"
    return f"{variant.name} (default)" if variant.is_default else variant.name


def _server_title(server: dict[str, Any] | None) -> str:
    names = [] if server is None else [server["distribution"], server["version"]]
    return " ".join(filter(None, names)) or "-"


def _print_problems(engines: Sequence[Engine], styles: Styles) -> None:
    troubled = [engine for engine in engines if engine.problem is not None]
    if not troubled:
        return
    print()
    for engine in troubled:
        if engine.installed:
            print(f"{styles.bold(engine.name)}: {engine.problem}")
        else:
            print(f"{styles.bold(engine.name)} is not installed: {engine.install}")

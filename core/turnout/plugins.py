"""Engines by name: what was registered in this process, then entry points, loaded at first use.

An outside strategy names its class under the entry-point group `turnout.upgrade_strategies`; those
that come with turnout do the same and have no privilege. Nothing is imported to list engines, and
only the chosen one to use it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from turnout.errors import EngineError, EngineNotInstalledError, UnknownEngineError
from turnout.strategy import RequestUpgradeStrategy

if TYPE_CHECKING:
    from importlib.metadata import Distribution, EntryPoint

__all__ = [
    "GROUP",
    "Plugin",
    "able_to_honour",
    "create",
    "find",
    "load",
    "names",
    "register",
    "select",
    "unregister",
]

GROUP = "turnout.upgrade_strategies"
"""The entry-point group of upgrade strategies."""

StrategyClass: TypeAlias = type[RequestUpgradeStrategy]

_REQUIREMENT = re.compile(
    r"""(?P<name>[A-Za-z0-9._-]+) [^;]*
        (?:;\s* (?:extra\s*==\s*["'](?P<extra>[^"']+)["'] | (?P<condition>.+)) )? \s*\Z""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Plugin:
    """One engine that can be asked for by name, whether or not its server is installed."""

    name: str
    _load: Callable[[], Any]
    _package: str | None = None
    _distribution: Distribution | None = None

    @property
    def distribution(self) -> str | None:
        """The distribution that brings it, or None when it was registered in this process."""
        return None if self._distribution is None else self._distribution.name

    @property
    def version(self) -> str | None:
        """The version of that distribution."""
        return None if self._distribution is None else self._distribution.version

    @property
    def install_command(self) -> str | None:
        """The command that installs the engine with its server."""
        if self._distribution is None:
            return None
        extra = f"[{self.name}]" if self._extra_exists() else ""
        return f'pip install "{self._distribution.name}{extra}"'

    def load(self) -> StrategyClass:
        """Import the strategy class; raise `EngineNotInstalledError` when its server is missing.

        Any other failure of the import is a fault of the plug-in, or of the server's version, and
        is raised as it is.
        """
        try:
            loaded = self._load()
        except ModuleNotFoundError as error:
            if self._is_own_fault(error):
                raise
            raise EngineNotInstalledError(
                f"the engine {self.name!r} is not installed ({error}): {self.install_command}"
            ) from error
        if not (isinstance(loaded, type) and issubclass(loaded, RequestUpgradeStrategy)):
            raise EngineError(
                f"the engine {self.name!r} names {loaded!r}, which is no RequestUpgradeStrategy"
            )
        for strategy in loaded.variants.values() or (loaded,):
            self._check_complete(strategy)
        self._check_server(loaded)
        return loaded

    def _check_server(self, strategy: StrategyClass) -> None:
        """Raise where the server is missing though the strategy, which only starts it, is there."""
        server = strategy.distribution
        if server is not None and self._distribution is not None and not _is_installed(server):
            raise EngineNotInstalledError(
                f"the engine {self.name!r} is not installed (no {server}): {self.install_command}"
            )

    def _check_complete(self, strategy: StrategyClass) -> None:
        missing = [name for name in ("name", "runtime") if not hasattr(strategy, name)]
        missing += sorted(strategy.__abstractmethods__)
        if missing:
            raise EngineError(
                f"the strategy {strategy.__qualname__} of the engine {self.name!r} lacks"
                f" {', '.join(missing)}"
            )

    def _is_own_fault(self, error: ModuleNotFoundError) -> bool:
        """Tell whether what is missing is something that installing the engine would not bring."""
        missing = (error.name or "").partition(".")[0]
        return missing == self._package or not self._lacks_requirement()

    def _lacks_requirement(self) -> bool:
        return any(not _is_installed(name) for name in self._requirements())

    def _requirements(self) -> list[str]:
        if self._distribution is None:
            return []
        parsed = (_REQUIREMENT.match(text) for text in self._distribution.requires or ())
        return [
            one["name"]
            for one in parsed
            if one is not None
            and one["condition"] is None  # it may hold elsewhere and not here
            and (one["extra"] is None or _normal(one["extra"]) == _normal(self.name))
        ]

    def _extra_exists(self) -> bool:
        assert self._distribution is not None
        extras = self._distribution.metadata.get_all("Provides-Extra") or ()
        return _normal(self.name) in map(_normal, extras)


_registered: dict[str, Plugin] = {}


def register(name: str, strategy: StrategyClass | Callable[[], StrategyClass]) -> None:
    """Make an engine known in this process, before any entry point of the same name.

    `strategy` is its class, or a function that imports and returns it at first use.
    """
    loader = strategy if not isinstance(strategy, type) else lambda: strategy
    _registered[name] = Plugin(name, loader)


def unregister(name: str) -> None:
    """Undo `register`; raise `UnknownEngineError` for a name that was not registered here."""
    if _registered.pop(name, None) is None:
        raise UnknownEngineError(f"no engine {name!r} was registered in this process")


def names() -> list[str]:
    """Return the names of all engines, sorted, whether or not their servers are installed."""
    return sorted({*_registered, *(point.name for point in _entry_points())})


def find(name: str) -> Plugin:
    """Return what is known under `name`; raise `UnknownEngineError` with the nearest name."""
    if name in _registered:
        return _registered[name]
    found = {point.value: point for point in _entry_points() if point.name == name}
    if not found:
        raise UnknownEngineError(_unknown(name))
    if len(found) > 1:
        owners = sorted(p.dist.name for p in found.values() if p.dist is not None)
        raise EngineError(
            f"{' and '.join(owners)} both bring an engine {name!r}; uninstall one of them"
        )
    (point,) = found.values()
    return Plugin(name, point.load, point.module.partition(".")[0], point.dist)


def load(name: str, variant: str | None = None) -> StrategyClass:
    """Return the strategy class of an engine, or of one variant of it: see `select`.

    Raises `UnknownEngineError` with the nearest name, or `EngineNotInstalledError` with the
    command that installs it.
    """
    return select(find(name).load(), variant)


def create(name: str, variant: str | None = None) -> RequestUpgradeStrategy:
    """Return a strategy of an engine, ready to `configure` and to `serve`; raises as `load`."""
    return load(name, variant)()


def select(strategy: StrategyClass, variant: str | None = None) -> StrategyClass:
    """Return a variant of a strategy, `native` or `standard`; None is the engine's default.

    Raises `UnknownEngineError` when the engine has no such variant.
    """
    variants = strategy.variants
    if variant is None:
        return next(iter(variants.values()), strategy)
    if variant not in variants:
        known = ", ".join(variants) or "none to choose from"
        raise UnknownEngineError(
            f"the engine {strategy.name!r} has no strategy {variant!r}; it has: {known}"
        )
    return variants[variant]


def able_to_honour(option: str) -> list[str]:
    """Return the strategies here that can honour an option, as in `tornado --strategy native`."""
    able = []
    for name in names():
        try:
            strategy = find(name).load()
        except EngineError:  # not installed, or not finished: no advice
            continue
        variants = [(f"{name} --strategy {kind}", one) for kind, one in strategy.variants.items()]
        for label, one in variants or [(name, strategy)]:
            if one.capabilities.can_honour(option):
                able.append(label)
    return able


def _unknown(name: str) -> str:
    known = names()
    if not known:
        return f"no engine is called {name!r}, and none is known: is turnout itself installed?"
    near = difflib.get_close_matches(name, known, 1)
    hint = f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(known)}"
    return f"no engine is called {name!r}{hint}"


def _entry_points() -> list[EntryPoint]:
    from importlib.metadata import entry_points  # costs more than all of turnout

    return list(entry_points(group=GROUP))


def _is_installed(distribution: str) -> bool:
    from importlib.metadata import PackageNotFoundError, version

    try:
        version(distribution)
    except PackageNotFoundError:
        return False
    return True


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()

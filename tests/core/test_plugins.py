"""Engines by name: registered here, then entry points; unknown, missing and broken ones."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
from tests.cli.strangers import install_stranger

from turnout import (
    ConfigurationError,
    EngineError,
    EngineNotInstalledError,
    RequestUpgradeStrategy,
    ServerSettings,
    UnknownEngineError,
    WebSocketHandlerRegistry,
    plugins,
    serve,
)
from turnout.http import Address

registry = WebSocketHandlerRegistry()


class Pretend(RequestUpgradeStrategy):
    """A strategy that notes what it is asked to serve."""

    name = "pretend"
    runtime = "threads"
    served: ClassVar[list[tuple[RequestUpgradeStrategy, object, ServerSettings]]] = []

    async def upgrade(self, request: object, response: object, upgrade: object) -> None:
        raise NotImplementedError

    def serve(self, registry: object, settings: ServerSettings) -> None:
        self.served.append((self, registry, settings))
        settings.announce(("127.0.0.1", 5))


class Native(Pretend):
    """The engine's own."""


class Standard(Pretend):
    """Turnout's over its connection."""


class Both(Pretend):
    """An engine with two strategies; the default is the first."""

    name = "both"
    variants: ClassVar[Mapping[str, type[RequestUpgradeStrategy]]] = {
        "standard": Standard,
        "native": Native,
    }


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    plugins.register("pretend", Pretend)
    plugins.register("both", lambda: Both)
    Pretend.served.clear()
    yield
    plugins.unregister("pretend")
    plugins.unregister("both")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the Python path for distributions."""
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("turnout_stranger", None)


def test_in_tree_engines_come_by_entry_points() -> None:
    known = {"aiohttp", "gevent", "gevent-websocket", "tornado", "wsproto"}
    assert known | {"pretend", "both"} <= set(plugins.names())
    assert plugins.names() == sorted(plugins.names())


def test_what_is_registered_here_comes_first() -> None:
    plugins.register("wsproto", Pretend)
    try:
        assert plugins.load("wsproto") is Pretend
    finally:
        plugins.unregister("wsproto")
    assert plugins.load("wsproto").__name__ == "WsprotoStrategy"


def test_a_strategy_that_is_not_finished_says_what_it_lacks() -> None:
    class Nameless(RequestUpgradeStrategy):
        async def upgrade(self, request: object, response: object, upgrade: object) -> None:
            raise NotImplementedError

    class Unfinished(Pretend):
        variants: ClassVar[Mapping[str, Any]] = {"standard": Nameless}

    strategies: list[Any] = [Nameless, Unfinished]
    for strategy in strategies:
        plugins.register("unfinished", strategy)
        try:
            with pytest.raises(EngineError, match=r"Nameless of .* lacks name, runtime, serve"):
                plugins.load("unfinished")
        finally:
            plugins.unregister("unfinished")


def test_a_loader_is_called_at_first_use_only() -> None:
    calls: list[str] = []

    def load() -> type[RequestUpgradeStrategy]:
        calls.append("loaded")
        return Pretend

    plugins.register("lazy", load)
    assert "lazy" in plugins.names()
    assert plugins.find("lazy").install_command is None
    assert calls == []
    assert plugins.load("lazy") is Pretend
    assert calls == ["loaded"]
    plugins.unregister("lazy")


def test_what_was_never_registered_cannot_be_unregistered() -> None:
    with pytest.raises(UnknownEngineError, match="no engine 'wsproto' was registered in this"):
        plugins.unregister("wsproto")


def test_variants() -> None:
    assert plugins.load("both") is Standard
    assert plugins.load("both", "native") is Native
    assert type(plugins.create("both", "native")) is Native
    assert plugins.load("pretend") is Pretend
    with pytest.raises(UnknownEngineError, match="'both' has no strategy 'nativ'; it has: stand"):
        plugins.load("both", "nativ")
    with pytest.raises(UnknownEngineError, match="it has: none to choose from"):
        plugins.load("pretend", "native")


@pytest.mark.parametrize(
    ("name", "hint"),
    [("wsprot", "; did you mean 'wsproto'?"), ("Tornado", "; did you mean 'tornado'?")],
)
def test_an_unknown_name_with_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(UnknownEngineError) as caught:
        plugins.load(name)
    assert str(caught.value) == f"no engine is called {name!r}{hint}"


def test_an_unknown_name_like_no_other() -> None:
    with pytest.raises(UnknownEngineError, match=r"; known: .*tornado, .*wsproto"):
        plugins.load("zzz")


def test_without_any_engine_the_message_says_what_may_be_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plugins, "GROUP", "nobody.registers.here")
    monkeypatch.setattr(plugins, "_registered", {})
    with pytest.raises(UnknownEngineError, match="none is known: is turnout itself installed"):
        plugins.load("wsproto")


@pytest.mark.parametrize(
    ("requires", "extras", "command"),
    [
        (("no-such-server",), (), 'pip install "turnout-stranger"'),
        (
            ('no-such-server>=1; extra == "stranger"',),
            ("stranger",),
            'pip install "turnout-stranger[stranger]"',
        ),
        (
            ("no-such-server (>=1) ; extra=='Stranger'",),
            ("Stranger",),
            'pip install "turnout-stranger[stranger]"',
        ),
    ],
)
def test_a_server_that_is_missing(
    site: Path, requires: tuple[str, ...], extras: tuple[str, ...], command: str
) -> None:
    install_stranger(site, "import no_such_server", requires=requires, extras=extras)
    with pytest.raises(EngineNotInstalledError) as caught:
        plugins.load("stranger")
    assert str(caught.value) == (
        f"the engine 'stranger' is not installed (No module named 'no_such_server'): {command}"
    )
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


@pytest.mark.parametrize(
    ("module", "requires"),
    [
        pytest.param("import no_such_module", (), id="requires nothing"),
        pytest.param("import no_such_module", ("h11>=0.14", "wsproto"), id="requirements met"),
        pytest.param(
            "import no_such_module",
            ('no-such-server; extra == "other"',),
            id="another extra is missing",
        ),
        pytest.param(
            "import no_such_module",
            ('no-such-server; python_version < "3"',),
            id="required elsewhere",
        ),
        pytest.param(
            "import turnout_stranger.typo", ("no-such-server",), id="its own module is missing"
        ),
        pytest.param(
            "from h11 import NoSuchName", ("no-such-server",), id="a name, not a module, is missing"
        ),
    ],
)
def test_a_fault_of_the_plug_in_is_raised_as_it_is(
    site: Path, module: str, requires: tuple[str, ...]
) -> None:
    install_stranger(site, module, requires=requires)
    with pytest.raises(ImportError) as caught:
        plugins.load("stranger")
    assert "no_such_server" not in str(caught.value)


def test_what_is_no_strategy(site: Path) -> None:
    install_stranger(site, "Strategy = dict")
    with pytest.raises(EngineError, match="names <class 'dict'>, which is no RequestUpgradeStr"):
        plugins.load("stranger")


def test_two_distributions_with_one_name(site: Path) -> None:
    for name in ("first", "second"):
        install_stranger(site, "", name=name)
    with pytest.raises(EngineError, match="first and second both bring an engine 'stranger'"):
        plugins.load("stranger")


def test_naming_an_engine_imports_none() -> None:
    code = (
        "import sys; from turnout import plugins; plugins.names(); plugins.find('tornado')\n"
        "assert not {'asyncio', 'tornado', 'gevent', 'turnout_adapters'} & sys.modules.keys()\n"
        "plugins.load('wsproto')\n"
        "assert not {'tornado', 'gevent', 'aiohttp'} & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


def test_serve_chooses_the_engine_and_passes_the_settings(tmp_path: Path) -> None:
    told: list[Address] = []
    serve(registry, "both", "native", port=0, unix=str(tmp_path / "s"), announce=told.append)
    ((strategy, served, settings),) = Pretend.served
    assert type(strategy) is Native
    assert served is registry
    assert settings == ServerSettings(port=0, unix=tmp_path / "s", announce=told.append)
    assert told == [("127.0.0.1", 5)]


def test_serve_takes_a_strategy_that_has_been_configured() -> None:
    strategy = Standard().configure()
    serve(registry, strategy)
    assert Pretend.served[0][0] is strategy
    with pytest.raises(ConfigurationError, match="is a strategy already; leave 'native' out"):
        serve(registry, strategy, "native")


@pytest.mark.parametrize("settings", [{"port": 70_000}, {"tls_key": "key.pem"}])
def test_serve_checks_the_settings_first(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        serve(registry, "pretend", **settings)  # type: ignore[arg-type]  # wrong on purpose
    assert Pretend.served == []

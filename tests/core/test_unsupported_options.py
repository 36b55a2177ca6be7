"""An option that an engine cannot honour: said at the start, with the engines that can."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from turnout import (
    Capabilities,
    Deflate,
    RequestUpgradeStrategy,
    UnsupportedOptionError,
    WebSocketOptions,
    plugins,
)


class Able(RequestUpgradeStrategy):
    """Honours everything."""

    name = "able"


class Limited(RequestUpgradeStrategy):
    """Neither deflates nor has an idle timeout."""

    name = "limited"
    capabilities = Capabilities(deflate=False, unsupported_options=frozenset({"idle_timeout"}))


class Both(RequestUpgradeStrategy):
    """Has two strategies."""

    name = "both"
    variants = {"standard": Able, "native": Limited}  # type: ignore[type-abstract]  # noqa: RUF012  # never made


@pytest.fixture(autouse=True)
def engines(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Know three engines and no others."""
    monkeypatch.setattr(plugins, "_entry_points", list)
    for strategy in (Able, Limited, Both):
        plugins.register(strategy.name, strategy)
    yield
    for strategy in (Able, Limited, Both):
        plugins.unregister(strategy.name)


@pytest.mark.parametrize(
    "options",
    [WebSocketOptions(compression=Deflate()), WebSocketOptions(idle_timeout=5.0)],
    ids=["compression", "idle_timeout"],
)
def test_the_error_names_the_engines_that_can(options: WebSocketOptions) -> None:
    with pytest.raises(UnsupportedOptionError) as raised:
        options.check_supported("limited", Limited.capabilities)
    assert "'limited' cannot honour" in str(raised.value)
    assert str(raised.value).endswith("choose one that can: able, both --strategy standard")


def test_what_was_not_set_degrades_silently() -> None:
    WebSocketOptions(compression=None).check_supported("limited", Limited.capabilities)
    WebSocketOptions().check_supported("limited", Limited.capabilities)

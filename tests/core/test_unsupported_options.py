"""An option that an engine cannot honour: said at the start, with the engines that can."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

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
    runtime = "threads"

    async def upgrade(self, request: object, response: object, upgrade: object) -> None:
        raise NotImplementedError

    def serve(self, registry: object, settings: object) -> None:
        raise NotImplementedError


class Unfinished(RequestUpgradeStrategy):
    """Cannot be used, and is no advice to anybody."""

    name = "unfinished"


class Limited(Able):
    """Neither deflates nor has an idle timeout."""

    name = "limited"
    capabilities = Capabilities(deflate=False, unsupported_options=frozenset({"idle_timeout"}))


class Both(Able):
    """Has two strategies."""

    name = "both"
    variants = {"standard": Able, "native": Limited}  # noqa: RUF012  # as strategies have it


@pytest.fixture(autouse=True)
def engines(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Know these engines and no others."""
    monkeypatch.setattr(plugins, "_entry_points", list)
    known: list[Any] = [Able, Limited, Both, Unfinished]
    for strategy in known:
        plugins.register(strategy.name, strategy)
    yield
    for strategy in known:
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

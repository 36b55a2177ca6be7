"""What `configure` says of a setting that a server does not have, or that an option decides."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping

from turnout.errors import ConfigurationError

__all__ = ["check_native_settings"]


def check_native_settings(
    engine: str,
    given: Iterable[str],
    known: Collection[str],
    replaced: Mapping[str, str],
) -> None:
    """Raise `ConfigurationError` for a name that is not `known`, with the nearest one that is.

    `replaced` tells by which option, or setting of `serve`, turnout decides what the server has
    another name for.
    """
    for name in given:
        if name in replaced:
            raise ConfigurationError(
                f"{name} is decided by turnout on every engine: set {replaced[name]}"
            )
        if name not in known:
            near = difflib.get_close_matches(name, sorted(known), 1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(sorted(known))}"
            raise ConfigurationError(f"the engine {engine!r} has no setting {name!r}; {hint}")

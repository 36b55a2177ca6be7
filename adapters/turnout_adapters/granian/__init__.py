"""The granian engine, a server in Rust: turnout's own driver on its connections, or its events.

`turnout serve --engine granian` runs granian's embedded server; for an application that exists,
`mount` of `turnout_adapters.asgi` gives what `granian --interface asgi module:app` serves.
"""

from turnout_adapters.granian.strategy import GranianStrategy, NativeGranianStrategy

__all__ = ["GranianStrategy", "NativeGranianStrategy"]

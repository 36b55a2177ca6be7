"""The granian engine: a server in Rust, whose WebSockets turnout gets as ASGI gives them.

`turnout serve --engine granian` runs granian's embedded server; for an application that exists,
`mount` of `turnout_adapters.asgi` gives what `granian --interface asgi module:app` serves.
"""

from turnout_adapters.granian.strategy import GranianStrategy

__all__ = ["GranianStrategy"]

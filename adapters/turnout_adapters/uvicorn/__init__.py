"""The uvicorn engine: a variant for each of uvicorn's own WebSocket implementations.

`turnout serve --engine uvicorn` runs uvicorn itself; for an application that exists, `mount` of
`turnout_adapters.asgi` gives what `uvicorn module:app` serves.
"""

from turnout_adapters.uvicorn.strategy import (
    UvicornSansioStrategy,
    UvicornStrategy,
    UvicornWebsocketsStrategy,
    UvicornWsprotoStrategy,
)

__all__ = [
    "UvicornSansioStrategy",
    "UvicornStrategy",
    "UvicornWebsocketsStrategy",
    "UvicornWsprotoStrategy",
]

"""The uvicorn engine: turnout's own driver inside uvicorn, and uvicorn's own implementations.

`turnout serve --engine uvicorn` runs uvicorn itself; for an application that exists, `mount` of
`turnout_adapters.asgi` gives what `uvicorn module:app` serves.
"""

from turnout_adapters.uvicorn.protocol import WebSocketProtocol
from turnout_adapters.uvicorn.strategy import (
    UvicornSansioStrategy,
    UvicornStandardStrategy,
    UvicornStrategy,
    UvicornWebsocketsStrategy,
    UvicornWsprotoStrategy,
)

__all__ = [
    "UvicornSansioStrategy",
    "UvicornStandardStrategy",
    "UvicornStrategy",
    "UvicornWebsocketsStrategy",
    "UvicornWsprotoStrategy",
    "WebSocketProtocol",
]

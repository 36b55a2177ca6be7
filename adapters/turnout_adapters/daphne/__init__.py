"""The daphne engine: Twisted's HTTP and autobahn's WebSockets, on asyncio.

`turnout serve --engine daphne` runs daphne's server; for an application that exists, `mount` of
`turnout_adapters.asgi` gives what `daphne module:app` serves.
"""

from turnout_adapters.daphne.strategy import DaphneStrategy

__all__ = ["DaphneStrategy"]

"""The hypercorn engine: HTTP/1.1 and HTTP/2, where a WebSocket is an extended CONNECT (RFC 8441).

`turnout serve --engine hypercorn` runs hypercorn's connections; for an application that exists,
`mount` of `turnout_adapters.asgi` gives what `hypercorn module:app` serves.
"""

from turnout_adapters.hypercorn.strategy import HypercornStrategy

__all__ = ["HypercornStrategy"]

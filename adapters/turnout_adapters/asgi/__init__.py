"""turnout as an ASGI 3 application: for every server and framework that speaks ASGI.

`mount(app, registry)` puts a registry in front of an application; what the registry does not claim
goes on to it. The result runs under uvicorn, hypercorn, daphne, granian and the like.
"""

from turnout_adapters.asgi.application import AsgiApplication, mount
from turnout_adapters.asgi.strategy import AsgiStrategy

__all__ = ["AsgiApplication", "AsgiStrategy", "mount"]

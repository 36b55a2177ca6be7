"""Tornado: serve a registry on its HTTP server, or mount one beside the routes of an application.

app = tornado.web.Application([(r"/", MainHandler)])
service = mount(app, registry)
server = app.listen(8080)
...
await stop(server, service)
"""

from turnout_adapters.tornado.native import NativeTornadoStrategy
from turnout_adapters.tornado.routing import mount
from turnout_adapters.tornado.server import stop
from turnout_adapters.tornado.strategy import TornadoStrategy

__all__ = ["NativeTornadoStrategy", "TornadoStrategy", "mount", "stop"]

TornadoStrategy.variants = {"standard": TornadoStrategy, "native": NativeTornadoStrategy}

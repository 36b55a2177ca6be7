"""turnout in a WSGI application, whichever of the servers that it knows runs it.

    application = mount(flask_app, registry)

works under `gunicorn -k gevent`, `gunicorn -k gthread`, `flask run`, gevent's pywsgi and cheroot.
"""

from turnout_adapters.wsgi.application import RegistryApplication
from turnout_adapters.wsgi.hosts import HostedApplication, mount
from turnout_adapters.wsgi.views import (
    Environ,
    StartResponse,
    WsgiApplication,
    WsgiRequest,
    WsgiResponse,
)

__all__ = [
    "Environ",
    "HostedApplication",
    "RegistryApplication",
    "StartResponse",
    "WsgiApplication",
    "WsgiRequest",
    "WsgiResponse",
    "mount",
]

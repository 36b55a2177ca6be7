"""The application on threads."""

from __future__ import annotations

import threading
from typing import Any

from tests.adapters.gunicorn_application import bare, host, registered, wrapped

from turnout_adapters.gunicorn.gthread import mount

__all__ = ["application", "bare", "behind_a_wrapper"]

registry = registered()


@registry.websocket("/stuck")
def stuck(session: Any) -> None:
    session.send("stuck")
    threading.Event().wait()


application = mount(host, registry)
behind_a_wrapper = wrapped(application)

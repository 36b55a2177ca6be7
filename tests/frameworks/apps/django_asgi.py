"""Django's ASGI application behind turnout."""

from __future__ import annotations

from django.core.asgi import get_asgi_application

import django_app  # noqa: F401  # settings come first
from live import registry, serve_user
from turnout.demo.chat import registry as chat
from turnout_adapters.asgi import mount
from turnout_adapters.framework_sessions import django_session

serve_user(django_session)
app = mount(mount(get_asgi_application(), registry, http_only=True), chat)

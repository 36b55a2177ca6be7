"""Django's WSGI application behind turnout."""

from __future__ import annotations

from typing import Any

from django.core.wsgi import get_wsgi_application

import django_app  # noqa: F401  # settings come first
from live import registry, serve_user
from turnout.demo.chat import registry as chat
from turnout_adapters.framework_sessions import django_session
from turnout_adapters.wsgi import mount

serve_user(django_session)
django: Any = get_wsgi_application()
app = mount(mount(django, registry), chat)

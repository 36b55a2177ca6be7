"""Django: turnout around its ASGI application, or around its WSGI application."""

from __future__ import annotations

import tempfile
from typing import Any

import django
from django.conf import settings
from django.http import HttpResponse
from django.urls import path

settings.configure(
    SECRET_KEY="secret",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["django.contrib.sessions"],
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
    SESSION_ENGINE="django.contrib.sessions.backends.file",
    SESSION_FILE_PATH=tempfile.mkdtemp(),
    DEBUG=False,
)
django.setup()


def own(request: Any) -> HttpResponse:
    return HttpResponse(b"the framework's own page", content_type="text/plain")


def login(request: Any) -> HttpResponse:
    request.session["user"] = "ada"
    return HttpResponse(b"welcome", content_type="text/plain")


urlpatterns = [path("own", own), path("login", login)]

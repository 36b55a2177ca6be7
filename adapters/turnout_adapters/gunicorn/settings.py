"""The settings of gunicorn that `configure` takes, and those that are settled elsewhere."""

from __future__ import annotations

from typing import Any

from gunicorn.config import Config
from gunicorn.errors import ConfigError

from turnout.errors import ConfigurationError
from turnout_compat.native_settings import check_native_settings

__all__ = ["checked"]

REPLACED = {
    "backlog": "backlog of ServerSettings",
    "bind": "host and port, or unix, of ServerSettings",
    "certfile": "tls_cert of ServerSettings",
    "keyfile": "tls_key of ServerSettings",
    "worker_class": "the engine: there is one for each worker class",
}
WITHOUT_EFFECT = frozenset(
    {
        "chdir",
        "check_config",
        "config",
        "daemon",
        "paste",
        "preload_app",
        "print_config",
        "pythonpath",
        "raw_paste_global_conf",
        "reload",
        "reload_engine",
        "reload_extra_files",
        "reuse_port",
        "spew",
        "wsgi_app",
    }
)
"""What gunicorn's own command line sees to, and what concerns how it finds an application."""


def checked(engine: str, native: dict[str, Any]) -> dict[str, Any]:
    """Return settings that a gunicorn of turnout's own can be given.

    Raises `ConfigurationError` for a name that gunicorn has not, for a value that it refuses, and
    for what is settled elsewhere.
    """
    config = Config()
    check_native_settings(engine, native, config.settings.keys() - WITHOUT_EFFECT, REPLACED)
    for name, value in native.items():
        try:
            config.set(name, value)
        except (TypeError, ValueError, RuntimeError, AttributeError, ConfigError) as error:
            raise ConfigurationError(f"gunicorn refuses {name}={value!r}: {error}") from error
    return native

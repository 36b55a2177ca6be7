"""What `configure` takes: the settings of `hypercorn.Config`, by hypercorn's names."""

from __future__ import annotations

from functools import cache

from hypercorn.config import Config

__all__ = ["BY_TURNOUT", "hypercorn_settings"]

BY_TURNOUT = {
    "backlog": "backlog in serve()",
    "bind": "host, port and unix in serve()",
    "certfile": "tls_cert in serve()",
    "keyfile": "tls_key in serve()",
    "graceful_timeout": "the option close_timeout",
    "keep_alive_timeout": "the option handshake_timeout",
    "ssl_handshake_timeout": "the option handshake_timeout",
    "websocket_max_message_size": "the options max_text_size and max_binary_size",
    "websocket_ping_interval": "the option ping_interval",
}
"""Settings of hypercorn that turnout has another place for."""
OF_PROCESSES = frozenset(
    (
        "application_path", "daemon", "debug", "dogstatsd_tags", "group", "insecure_bind",
        "logconfig", "logconfig_dict", "pid_path", "quic_bind", "shutdown_timeout",
        "startup_timeout", "statsd_host", "statsd_prefix", "umask", "use_reloader", "user",
        "worker_class", "workers", "wsgi_max_body_size",
    )
)  # fmt: skip
"""Settings of hypercorn's command line and of its worker processes, of which there are none."""
OF_TLS = frozenset(
    ("ca_certs", "cert_reqs", "ciphers", "keyfile_password", "verify_flags", "verify_mode")
)
"""What hypercorn makes its own TLS context of."""


@cache
def hypercorn_settings() -> frozenset[str]:
    """Return the settings of the installed hypercorn that mean something here."""
    names = {
        name
        for name, value in vars(Config).items()
        if not name.startswith("_") and not callable(value) and name != "log"
    }
    names |= {"logger_class"}
    methods = {"ssl_enabled", "cert_reqs"}
    return frozenset(names - BY_TURNOUT.keys() - OF_PROCESSES - OF_TLS - methods)

"""What may stand in a log: no secrets from queries, no line breaks from headers, no endless text.

Everything of turnout that logs a request target passes it through `redact`, and anything else that
the peer sent through `printable`; `RedactQueryFilter` does the former for the host's access log,
and is there already when turnout serves by itself.
"""

from __future__ import annotations

import copy
import logging
import re
from collections.abc import Mapping, MutableMapping
from typing import Any

__all__ = ["RedactQueryFilter", "printable", "redact", "redact_queries_of"]

HIDDEN = "***"
_LONGEST = 200

_QUERY = re.compile(r"\?([^\s\"'<>#]+)")
_USER_INFO = re.compile(r"(?<=://)[^/?#@\s]+(?=@)")
# How access logs call a query that stands alone, without its question mark.
_QUERY_KEYS = frozenset({"q", "query", "query_string", "QUERY_STRING"})
_STANDARD_FIELDS = frozenset(vars(logging.makeLogRecord({})))


def redact(target: str) -> str:
    """Hide the value of every query parameter, and user names and passwords in URLs.

    Names of parameters stay readable; one without a value is hidden, as it may itself be a token.
    """
    return _USER_INFO.sub(HIDDEN, _QUERY.sub(_hide_values, target))


def printable(value: str, longest: int = _LONGEST) -> str:
    """Return `value` as one line of visible characters, cut after `longest` of them.

    Log injection needs a line break or a terminal escape; both are shown as their escape codes.
    """
    shown = "".join(c if c.isprintable() else _escape(c) for c in value[:longest])
    return shown if len(value) <= longest else f"{shown}…"


class RedactQueryFilter(logging.Filter):
    """Hide the values of query parameters in every record of the logger it is added to.

    Servers write request lines to access logs of their own; add this to those loggers:

    ```python
    logging.getLogger("aiohttp.access").addFilter(RedactQueryFilter())
    ```

    Python asks a logger's filters only for what is logged on that very logger, not on its children;
    add it to a handler to cover all that passes there.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact message, arguments and extra fields in place; let every record pass."""
        record.msg = _redact_value(record.msg)
        if isinstance(record.args, Mapping):
            record.args = _redact_mapping(record.args)
        elif record.args:
            record.args = tuple(_redact_value(argument) for argument in record.args)
        for name, value in vars(record).items():
            if name not in _STANDARD_FIELDS:
                setattr(record, name, _redact_value(value))
        return True


def redact_queries_of(*loggers: str) -> None:
    """Give loggers, by name, a `RedactQueryFilter`, unless they have one."""
    for logger in map(logging.getLogger, loggers):
        if not any(isinstance(known, RedactQueryFilter) for known in logger.filters):
            logger.addFilter(RedactQueryFilter())


def _hide_values(query: re.Match[str]) -> str:
    return "?" + _hide_parameters(query[1])


def _hide_parameters(query: str) -> str:
    return "&".join(_hide_parameter(parameter) for parameter in query.split("&"))


def _hide_parameter(parameter: str) -> str:
    name, equals, _ = parameter.partition("=")
    return f"{name}={HIDDEN}" if equals else HIDDEN if name else ""


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _redact_value(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    return _redact_mapping(value) if isinstance(value, Mapping) else value


def _redact_mapping(values: Mapping[str, Any]) -> Mapping[str, Any]:
    # A copy of the same class: gunicorn formats from one that knows its own missing keys.
    redacted = copy.copy(values)
    if isinstance(redacted, MutableMapping):
        for name, value in values.items():
            redacted[name] = _redact_named(name, value)
    return redacted


def _redact_named(name: object, value: Any) -> Any:
    if name in _QUERY_KEYS and isinstance(value, str):
        return _hide_parameters(value)
    return _redact_value(value)

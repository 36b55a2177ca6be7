"""gunicorn's log as part of the program's own, where nothing else was configured."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, cast

from gunicorn.glogging import Logger

from turnout.handshake.redaction import redact_queries_of

if TYPE_CHECKING:
    from gunicorn.config import Config

__all__ = ["ProgramLogger"]


class ProgramLogger(Logger):
    """Leaves the loggers `gunicorn.error` and `gunicorn.access` to the program's logging.

    Each does so until a destination of gunicorn's own is configured for it (`errorlog`,
    `accesslog`). In both cases the access log hides the values of query parameters.
    """

    def setup(self, cfg: Config) -> None:
        """Set up what was configured, and take back what was not."""
        super().setup(cfg)
        redact_queries_of("gunicorn.access")
        if cfg.errorlog == "-":
            _leave_to_the_program(self.error_log)
        if cfg.accesslog is None:
            _leave_to_the_program(self.access_log)

    def access(self, resp: Any, req: Any, environ: Any, request_time: Any) -> None:
        """Log one request, if anybody listens."""
        if not self.access_log.isEnabledFor(logging.INFO):
            return
        atoms = cast("dict[str, Any]", self.atoms(resp, req, environ, request_time))
        self.access_log.info(self.cfg.access_log_format, self.atoms_wrapper_class(atoms))


def _leave_to_the_program(log: logging.Logger) -> None:
    for handler in list(log.handlers):
        if getattr(handler, "_gunicorn", False):
            log.removeHandler(handler)
    log.propagate = True
    log.setLevel(logging.NOTSET)

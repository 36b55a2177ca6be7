"""gunicorn's command line."""

from __future__ import annotations

from tests.adapters.gunicorn_host import Run, gunicorn, run

__all__ = ["Run", "gunicorn", "run"]

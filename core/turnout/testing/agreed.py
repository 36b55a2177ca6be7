"""What the suite and the test subject, in two processes, have to agree on."""

from __future__ import annotations

__all__ = ["DETAIL", "EVENTS_VARIABLE", "WITHOUT_VARIABLE"]

EVENTS_VARIABLE = "TURNOUT_TEST_EVENTS"
"""Names the environment variable that holds the number of the pipe's file descriptor."""
WITHOUT_VARIABLE = "TURNOUT_TEST_WITHOUT"
"""Names the environment variable with the options that the engine has declared away."""
DETAIL = "a detail that no client may see"
"""What the subject's failing handlers raise: it belongs into the log, and nowhere else."""

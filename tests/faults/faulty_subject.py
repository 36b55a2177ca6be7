"""The test subject with the fault that `TURNOUT_FAULT` names: served in place of the sound one."""

from __future__ import annotations

import os

import close_faults
import frame_faults
import handshake_faults
import hostile_faults
import server_faults
import session_faults
from catalogue import FAULTS

__all__ = ["FAULTS", "registry"]

MODULES = (
    handshake_faults,
    frame_faults,
    session_faults,
    close_faults,
    hostile_faults,
    server_faults,
)

if "TURNOUT_FAULT" in os.environ:
    FAULTS[os.environ["TURNOUT_FAULT"]].seed()

from turnout.testing.subject import registry  # noqa: E402  # what the fault has replaced is bound here

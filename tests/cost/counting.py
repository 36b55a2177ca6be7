"""How many bytecodes of turnout's own code run: the same on every machine, however busy it is."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

import turnout
import turnout_adapters
import turnout_compat

__all__ = ["by_function", "bytecodes"]

OURS = tuple(path for root in (turnout, turnout_compat, turnout_adapters) for path in root.__path__)


def bytecodes(action: Callable[[], object]) -> int:
    """Run `action` and return how many bytecodes of turnout's own modules it took."""
    return by_function(action).total()


def _is_ours(code: CodeType) -> bool:
    return code.co_filename.startswith(OURS)


if sys.version_info >= (3, 12):

    def by_function(action: Callable[[], object]) -> Counter[CodeType]:
        """Run `action` and return how many bytecodes each function of turnout's own took.

        What runs in other modules, or in C, counts as the one bytecode that calls it.
        """
        monitoring = sys.monitoring
        tool, event = monitoring.PROFILER_ID, monitoring.events.INSTRUCTION
        count: Counter[CodeType] = Counter()

        def on_instruction(code: CodeType, _offset: int) -> Any:
            if not _is_ours(code):
                return monitoring.DISABLE
            count[code] += 1
            return None

        monitoring.use_tool_id(tool, __name__)
        monitoring.register_callback(tool, event, on_instruction)
        monitoring.restart_events()
        monitoring.set_events(tool, event)
        try:
            action()
        finally:
            monitoring.set_events(tool, monitoring.events.NO_EVENTS)
            monitoring.register_callback(tool, event, None)
            monitoring.free_tool_id(tool)
        return count

else:

    def by_function(action: Callable[[], object]) -> Counter[CodeType]:
        """Run `action` and return how many bytecodes each function of turnout's own took.

        What runs in other modules, or in C, counts as the one bytecode that calls it.
        """
        count: Counter[CodeType] = Counter()

        def on_call(frame: FrameType, _event: str, _argument: Any) -> Any:
            if not _is_ours(frame.f_code):
                return None
            frame.f_trace_opcodes = True
            frame.f_trace_lines = False
            return on_opcode

        def on_opcode(frame: FrameType, event: str, _argument: Any) -> Any:
            count[frame.f_code] += event == "opcode"
            return on_opcode

        before = sys.gettrace()
        sys.settrace(on_call)
        try:
            action()
        finally:
            sys.settrace(before)
        return count

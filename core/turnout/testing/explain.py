"""Why a test has failed, read from its `assert` statement and told without Python.

The raw client says itself what it expected; a test that compares says it in its source. So no test
has to repeat in words what it asserts.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

from turnout.testing.expectations import Unmet, quote
from turnout.testing.frames import CloseFrame
from turnout.testing.http import HttpResponse, describe_status

__all__ = ["Comparison", "Explanation", "explain"]

SUITE = Path(__file__).parent / "suite"

READERS = {  # what a call of this name returns
    "read_text": "the next text message",
    "read_binary": "the next binary message",
    "read_message": "the next message",
    "read_frame": "the next frame",
    "read_json": "the handler's answer",
    "ask": "the handler's answer",
    "handshake": "the response",
    "fetch": "the response",
    "has_data": "anything from the server",
}
ATTRIBUTES = {name: f"the {name}" for name in ("payload", "opcode", "status", "body", "text")}
OPERATORS: dict[type[ast.cmpop], str] = {
    ast.Lt: "less than",
    ast.LtE: "at most",
    ast.Gt: "more than",
    ast.GtE: "at least",
    ast.NotEq: "anything but",
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """The two values of the comparison that has failed, as pytest has evaluated them."""

    operator: str
    left: Any
    right: Any


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a test expected and what it got, and where in the suite it says so."""

    expected: str
    got: str
    file: str = ""
    line: int = 0


def explain(error: BaseException, compared: Comparison | None = None) -> Explanation:
    """Return why a test has failed with `error`; `compared` is the last failed comparison."""
    file, line = _place(error.__traceback__)
    expected, got = _words(error, compared, _assertion(file, line))
    return Explanation(expected, got, file, line)


def _words(
    error: BaseException, compared: Comparison | None, source: ast.Assert | None
) -> tuple[str, str]:
    if isinstance(error, Unmet):
        return error.expected, error.got
    if isinstance(error, ConnectionRefusedError):
        return "the server to accept a connection", "a refused connection: nobody listens"
    if isinstance(error, BrokenPipeError | ConnectionResetError):
        return "the server to go on reading", "a connection that the server has cut"
    if isinstance(error, KeyError):
        return f"{error.args[0]!r} in what the server answers", "an answer without it"
    if isinstance(error, AssertionError) and source is not None:
        return _asserted(error, compared, source)
    return "no error", f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"


def _asserted(
    error: AssertionError, compared: Comparison | None, source: ast.Assert
) -> tuple[str, str]:
    if source.msg is not None:
        return _label(source.test), str(error).partition("\n")[0]
    if isinstance(source.test, ast.Compare) and compared is not None:
        return _compared(source.test, compared)
    evaluated = str(error).partition("\n")[0].removeprefix("assert ").removeprefix("not ")
    return _label(source.test), evaluated or "something else"


def _compared(test: ast.Compare, compared: Comparison) -> tuple[str, str]:
    left, right = compared.left, compared.right
    if len(test.ops) > 1:
        return ast.unparse(test), _value(left)
    match test.ops[0]:
        case ast.Eq():
            return _equal(test.left, left, right)
        case ast.In() if isinstance(test.left, ast.Call | ast.Attribute | ast.Subscript):
            return f"{_label(test.left)} to be one of {_value(right)}", _value(left)
        case ast.In():
            return f"{_value(left)} in {_label(test.comparators[0])}", _value(right)
        case ast.NotIn():
            return f"no {_value(left)} in {_label(test.comparators[0])}", _value(right)
        case operator:
            words = OPERATORS.get(type(operator), compared.operator)
            return f"{_label(test.left)} to be {words} {_value(right)}", _value(left)


def _equal(node: ast.expr, left: Any, right: Any) -> tuple[str, str]:
    if isinstance(left, CloseFrame) and isinstance(right, tuple):
        return str(CloseFrame(*right)), str(left)
    if isinstance(node, ast.Tuple) and isinstance(right, tuple) and len(right) == len(node.elts):
        pairs = [
            _one(element, one, other)
            for element, one, other in zip(node.elts, left, right, strict=True)
            if one != other
        ]
        return ", ".join(pair[0] for pair in pairs), ", ".join(pair[1] for pair in pairs)
    return _one(node, left, right)


def _one(node: ast.expr, left: Any, right: Any) -> tuple[str, str]:
    label = _label(node)
    describe: Callable[[Any], str] = describe_status if label == "the status" else _value
    return f"{label} to be {describe(right)}", describe(left)


def _value(value: Any) -> str:
    if isinstance(value, str | bytes):
        return quote(value)
    if isinstance(value, HttpResponse):
        return describe_status(value.status)
    return str(value)[:200]


def _label(node: ast.expr) -> str:
    """Return an expression of a test in words."""
    match node:
        case ast.UnaryOp(ast.Not(), operand):
            return f"no {_label(operand)}".replace("no anything", "nothing")
        case ast.Call():
            return _label_of_call(node)
        case ast.Subscript():
            return _label_of_item(node)
        case ast.ListComp(element, _) | ast.SetComp(element, _) | ast.GeneratorExp(element, _):
            return f"{_label(element)} of each"
        case ast.Name() | ast.Attribute():
            return ATTRIBUTES.get(_name(node), _name(node).replace("_", " "))
        case _:
            return ast.unparse(node)


def _label_of_call(node: ast.Call) -> str:
    match node:
        case ast.Call(ast.Attribute(attr="of" | "wait_for"), [_, ast.Constant(event), *_]):
            return f"report {event!r} of the handler"
        case ast.Call(ast.Name("len"), [counted]):
            return f"the number of {_label(counted)}"
        case ast.Call(ast.Name("set" | "sorted" | "list" | "int" | "max" | "min"), [argument]):
            return _label(argument)
        case _:
            return READERS.get(_name(node)) or _name(node).replace("_", " ")


def _label_of_item(node: ast.Subscript) -> str:
    match node:
        case ast.Subscript(value, ast.Constant(str(key))):
            return f"the header {key}" if _name(value) == "headers" else key
        case ast.Subscript(ast.Call() as call, ast.Constant(0)) if "close" in _name(call):
            return "the close code"
        case _:
            return _label(node.value)


def _name(node: ast.expr) -> str:
    match node:
        case ast.Call(function):
            return _name(function)
        case ast.Attribute(_, name) | ast.Name(name):
            return name
        case _:
            return ""


def _place(traceback: TracebackType | None) -> tuple[str, int]:
    """Return the innermost line of the suite, or the outermost of all where the suite has none."""
    places = []
    while traceback is not None:
        places.append((traceback.tb_frame.f_code.co_filename, traceback.tb_lineno))
        traceback = traceback.tb_next
    own = [place for place in places if Path(place[0]).parent == SUITE]
    return own[-1] if own else places[0] if places else ("", 0)


def _assertion(file: str, line: int) -> ast.Assert | None:
    for node in _assertions(file):
        if node.lineno <= line <= (node.end_lineno or node.lineno):
            return node
    return None


@cache
def _assertions(file: str) -> list[ast.Assert]:
    try:
        source = Path(file).read_text(encoding="utf-8")
    except OSError:  # a test that is not in a file
        return []
    return [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Assert)]

"""The flags made from `WebSocketOptions`, and the spelling of their values."""

from __future__ import annotations

import argparse
import subprocess
import sys
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout import Deflate, Overflow, WebSocketOptions
from turnout.cli.option_flags import add_option_flags, options_from
from turnout.cli.values import (
    ValueSyntaxError,
    format_seconds,
    format_size,
    parse_compression,
    parse_seconds,
    parse_size,
)

EXAMPLES: dict[str, tuple[str, Any]] = {
    "max_text_size": ("64KiB", 65536),
    "max_binary_size": ("none", None),
    "max_total_size": ("1.5MiB", 1572864),
    "receive_buffer": ("0", 0),
    "send_timeout": ("2.5", 2.5),
    "send_buffer": ("10KB", 10_000),
    "overflow": ("DROP", Overflow.DROP),
    "ping_interval": ("250ms", 0.25),
    "ping_timeout": ("none", None),
    "idle_timeout": ("5min", 300.0),
    "handshake_timeout": ("3s", 3.0),
    "close_timeout": ("0.1", 0.1),
    "compression": ("deflate:window_bits=9,threshold=1KiB", Deflate(window_bits=9, threshold=1024)),
    "max_connections": ("5", 5),
}


def parse(*words: str) -> WebSocketOptions:
    parser = argparse.ArgumentParser()
    add_option_flags(parser)
    return options_from(parser.parse_args(words))


def test_every_option_has_an_example() -> None:
    assert EXAMPLES.keys() == {one.name for one in fields(WebSocketOptions) if one.init}


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_flag_of_the_same_name_sets_the_option_explicitly(name: str) -> None:
    text, value = EXAMPLES[name]
    options = parse(f"--{name.replace('_', '-')}", text)
    assert getattr(options, name) == value
    assert options.explicit == {name}


def test_nothing_is_explicit_without_a_flag() -> None:
    assert parse().explicit == frozenset()


def test_the_help_has_every_meaning_and_default() -> None:
    parser = argparse.ArgumentParser()
    add_option_flags(parser)
    text = " ".join(parser.format_help().split())
    for option in fields(WebSocketOptions):
        if option.init:
            assert option.metadata["meaning"] in text
    for default in ("1MiB", "16MiB", "64KiB", "512KiB", "10000", "terminate", "none", "off"):
        assert f"(default: {default})" in text


@given(st.integers(0, 2**40))
def test_a_size_reads_as_it_is_written(size: int) -> None:
    assert parse_size(format_size(size)) == size


@given(st.integers(1, 10_000))
def test_a_time_reads_as_it_is_written(tenths: int) -> None:
    assert parse_seconds(format_seconds(tenths / 10)) == pytest.approx(tenths / 10)


@pytest.mark.parametrize(
    "text", ["", "-1", "1e3", "64 XiB", "KiB", "0.5", "\uff11\uff12", "nan", "1_000"]
)
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueSyntaxError):
        parse_size(text)


@pytest.mark.parametrize("text", ["", "-1", "1e3", "inf", "nan", "10h", "s"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueSyntaxError):
        parse_seconds(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [("off", None), ("none", None), ("deflate", Deflate()), ("deflate:", Deflate())],
)
def test_compression(text: str, value: Deflate | None) -> None:
    assert parse_compression(text) == value


@pytest.mark.parametrize("text", ["", "on", "off:1", "deflate:12", "deflate:window_bits=none"])
def test_what_is_no_compression(text: str) -> None:
    with pytest.raises(ValueSyntaxError):
        parse_compression(text)


@pytest.mark.parametrize("words", [["--help"], ["serve", "--help"], ["demo", "--help"]])
def test_help_imports_nothing_that_serves(words: list[str]) -> None:
    code = (
        "import sys; from turnout.cli import main\n"
        f"try: main({words!r})\n"
        "except SystemExit: pass\n"
        "heavy = {'asyncio', 'ssl', 'socket', 'subprocess', 'pytest', 'turnout_adapters'}\n"
        "print(sorted(heavy & sys.modules.keys()), file=sys.stderr)"
    )
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30)
    assert result.stderr == "[]\n"
    assert "examples:" in result.stdout or "commands:" in result.stdout

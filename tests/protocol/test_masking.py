"""Masking: every function that is installed does the same."""

from __future__ import annotations

import sys
from importlib import import_module

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.protocol import masking
from turnout.protocol.masking import Mask, find_mask, mask_in_python


def installed() -> dict[str, Mask]:
    found: dict[str, Mask] = {"python": mask_in_python}
    for module, name, adapt, _ in masking._FUNCTIONS:
        try:
            found[module] = adapt(getattr(import_module(module), name))
        except ImportError:
            continue  # another environment's engine
    return found


INSTALLED = installed()


def by_definition(data: bytes, key: bytes) -> bytes:
    """RFC 6455 section 5.3, word for word."""
    return bytes(octet ^ key[index % 4] for index, octet in enumerate(data))


def test_the_speedups_extra_is_installed_here() -> None:
    assert "websockets.speedups" in INSTALLED


@pytest.mark.parametrize("name", INSTALLED)
@given(data=st.binary(max_size=200), key=st.binary(min_size=4, max_size=4))
def test_masking_is_what_the_rfc_says(name: str, data: bytes, key: bytes) -> None:
    masked = INSTALLED[name](data, key)
    assert type(masked) is bytes
    assert masked == by_definition(data, key)
    assert INSTALLED[name](masked, key) == data


@pytest.fixture
def search(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Forget what was found, before and after."""
    monkeypatch.setattr(masking, "find_mask", find_mask.__wrapped__)
    return monkeypatch


def test_the_fastest_is_taken(search: pytest.MonkeyPatch) -> None:
    assert masking.find_mask() is import_module("websockets.speedups").apply_mask


def test_without_any_of_them_python_masks(search: pytest.MonkeyPatch) -> None:
    for module, *_ in masking._FUNCTIONS:
        search.setitem(sys.modules, module, None)  # what makes an import fail
    assert masking.find_mask() is mask_in_python


def test_no_engine_is_imported_for_its_function(search: pytest.MonkeyPatch) -> None:
    for module, _, _, loads_engine in masking._FUNCTIONS:
        if not loads_engine:
            search.setitem(sys.modules, module, None)
    search.delitem(sys.modules, "aiohttp", raising=False)
    assert masking.find_mask() is mask_in_python
    assert "aiohttp" not in sys.modules


def test_a_version_without_the_function_is_passed_over(search: pytest.MonkeyPatch) -> None:
    search.delattr(import_module("websockets.speedups"), "apply_mask")
    assert masking.find_mask()(b"\x01\x02", b"\x01\x02\x03\x04") == b"\x00\x00"

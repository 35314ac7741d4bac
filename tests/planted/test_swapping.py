"""Functions that are loaded already get the code of a broken text."""

from __future__ import annotations

import importlib.util
import itertools
from typing import TYPE_CHECKING, Any

import pytest

from tests.planted.swapping import swap, swaps

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TEXT = """
import functools

LIMIT = 1

def plain():
    return "right"

class Thing:
    kind = "right"

    @property
    def shown(self):
        return "right"

    @functools.cache
    def kept(self):
        return "right"

def outer():
    def inner():
        return "right"
    return inner

early = outer()
both = lambda: "right"
"""
_numbers = itertools.count()


@pytest.fixture
def loaded(tmp_path: Path) -> Callable[[], Any]:
    """Loads the text as a module."""

    def load() -> Any:
        path = tmp_path / f"of_a_test_{next(_numbers)}.py"
        path.write_text(TEXT)
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.mark.parametrize(
    ("definition", "call"),
    [
        ("def plain():", lambda module: module.plain()),
        ("def shown(self):", lambda module: module.Thing().shown),
        ("def kept(self):", lambda module: module.Thing().kept()),
        ("def inner():", lambda module: module.outer()()),
        ("def inner():", lambda module: module.early()),
    ],
)
def test_a_function_does_what_the_broken_text_says(
    loaded: Callable[[], Any], definition: str, call: Callable[[Any], str]
) -> None:
    module = loaded()
    assert call(module) == "right"
    before, after = TEXT.split(definition)
    broken = before + definition + after.replace("right", "wrong", 1)
    assert swap(module.__file__, TEXT, broken) >= 1
    assert call(module) == "wrong"


def test_what_an_import_makes_can_not_be_swapped() -> None:
    for correct, broken in [
        ("LIMIT = 1", "LIMIT = 2"),
        ('    kind = "right"', '    kind = "wrong"'),
        ("def plain():", "def other():"),
        ("    @property\n", ""),
    ]:
        assert TEXT.count(correct) == 1
        assert swaps("of_a_test.py", TEXT, TEXT.replace(correct, broken)) is None


def test_lines_that_move_are_no_change() -> None:
    moved = TEXT.replace("LIMIT = 1\n", "LIMIT = 1\n\n\n")
    found = swaps("of_a_test.py", TEXT, moved)
    assert not found

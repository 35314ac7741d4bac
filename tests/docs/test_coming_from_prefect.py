"""The table of Prefect's names: what is said to be the same is in a test, and is there."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest
import towpath

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "coming-from-prefect.md").read_text(encoding="utf-8")
NAME = re.compile(r"`([^`]+)`")


def rows(heading: str) -> list[list[str]]:
    section = PAGE.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")][2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def said_to_be_the_same() -> set[str]:
    return {name for _, names in rows("The same") for name in NAME.findall(names)} - {"state"}


def names_tested() -> set[str]:
    found: set[str] = set()
    for file in (ROOT / "tests" / "unit" / "sdk" / "moved").glob("test_*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "moves":
                constants = [each for each in ast.walk(node) if isinstance(each, ast.Constant)]
                found |= {str(each.value) for each in constants}
    return found


def test_each_name_that_is_the_same_is_in_a_test_and_each_tested_name_is_listed() -> None:
    assert said_to_be_the_same() == names_tested()


@pytest.mark.parametrize(
    "name", sorted(each for each in said_to_be_the_same() if re.fullmatch(r"[a-z_]+\.\w+", each))
)
def test_a_name_of_a_module_is_there(name: str) -> None:
    module, _, attribute = name.partition(".")
    found = import_module(f"towpath.{module}")
    assert hasattr(found, attribute) or import_module(f"towpath.{module}.{attribute}")


def test_modules_that_are_not_there_are_not_there() -> None:
    listed = [name for cells in rows("Not there") for name in NAME.findall(cells[0])]
    modules = [name.partition(".")[2] for name in listed if name.startswith("prefect.")]
    assert modules
    here = Path(towpath.__file__).parent
    there = [each for each in modules if (here / each).exists() or (here / f"{each}.py").exists()]
    assert there == []


def test_renamed_modules_are_there() -> None:
    for _, ours in rows("Renamed"):
        for name in NAME.findall(ours):
            if re.fullmatch(r"towpath(\.[a-z_]+)+", name) and name != "towpath.runs":
                module, _, attribute = name.rpartition(".")
                assert hasattr(import_module(module), attribute) or import_module(name)

"""What the contracts of import-linter don't say: no circles, no foreign private names, reasons."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest

from tests.packaging.declared import PYPROJECT
from tests.packaging.import_graph import FOLDERS, circles, graph, imported, modules

if TYPE_CHECKING:
    from collections.abc import Iterator

BORROWED = re.compile(r"\b(see|as) (above|below|before)\b|\bsee \w+\b")
"""A reason that stands somewhere else."""


def test_no_two_modules_import_each_other() -> None:
    assert not circles(graph())


@pytest.mark.parametrize(
    ("edges", "found"),
    [
        ({"a": {"b"}, "b": {"c"}, "c": set()}, []),
        ({"a": {"b"}, "b": {"a"}}, [["a", "b"]]),
        ({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}, [["a", "b", "c"]]),
        ({"a": {"b"}, "b": {"a"}, "c": {"d"}, "d": {"c", "a"}}, [["a", "b"], ["c", "d"]]),
    ],
)
def test_circles_are_found(edges: dict[str, set[str]], found: list[list[str]]) -> None:
    assert circles(edges) == found


@pytest.mark.parametrize(
    "source",
    [
        "from towpath.context import tags",
        "from towpath import context",
        "import towpath.context",
        "if TYPE_CHECKING:\n    from towpath.context import tags",
        "def run():\n    from towpath.context import tags",
    ],
)
def test_an_import_is_seen_wherever_it_stands(source: str) -> None:
    assert set(imported(ast.parse(source), modules().keys())) == {"towpath.context"}


def test_the_graph_has_all_three_packages() -> None:
    assert {name.partition(".")[0] for name in graph()} == FOLDERS.keys()
    assert "towpath._engine.task_runs" in graph()["towpath._engine.submissions"]


def test_no_package_imports_private_names_of_another() -> None:
    foreign = [
        (name, module)
        for name, path in modules().items()
        for module in _imported_names(ast.parse(path.read_text("utf-8")))
        if module.partition(".")[0] in FOLDERS.keys() - {name.partition(".")[0]}
        and any(part.startswith("_") for part in module.split("."))
    ]
    assert not foreign


def test_each_package_is_in_a_contract_that_leaves_none_of_its_modules_out() -> None:
    contracts = PYPROJECT["tool"]["importlinter"]["contracts"]
    exhaustive = [contract for contract in contracts if contract.get("exhaustive")]
    assert {name for contract in exhaustive for name in contract["containers"]} >= FOLDERS.keys()
    assert not any(contract.get("exhaustive_ignores") for contract in exhaustive)


@pytest.mark.parametrize("package", FOLDERS)
def test_an_import_within_a_function_gives_its_own_reason(package: str) -> None:
    reasons = [
        (name, number, line.strip())
        for name, path in modules().items()
        if name.partition(".")[0] == package
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if "PLC0415" in line
    ]
    assert not [found for found in reasons if BORROWED.search(found[2])]


def _imported_names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{name.name}" for name in node.names)

"""Which file imports which, in all three packages: for type checkers and within functions, too."""

from __future__ import annotations

import ast
from functools import cache
from typing import TYPE_CHECKING

from tests.packaging.declared import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from collections.abc import Set as AbstractSet
    from pathlib import Path

FOLDERS = {
    "towpath": ROOT / "sdk",
    "towpath_service": ROOT / "service",
    "towpath_auth": ROOT / "auth",
}
GENERATED = ROOT / "sdk" / "towpath" / "api"
SHIM = "towpath._work.shim"
"""The one package with relative imports: it runs under another name, too."""


@cache
def modules() -> dict[str, Path]:
    """Every module by its name, but for generated ones."""
    return {
        ".".join(path.relative_to(folder).with_suffix("").parts).removesuffix(".__init__"): path
        for package, folder in FOLDERS.items()
        for path in (folder / package).rglob("*.py")
        if GENERATED not in path.parents
    }


def imported(tree: ast.AST, known: AbstractSet[str], package: str = "") -> Iterator[str]:
    """The modules that a syntax tree imports, wherever the import stands.

    Args:
        tree: Of one module.
        known: The modules to look for.
        package: The package that the module is in.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name in known)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 or (package == SHIM and node.level == 1), ast.unparse(node)
            whence = f"{package}.{node.module}" if node.level else str(node.module)
            for name in node.names:
                module = f"{whence}.{name.name}"
                yield module if module in known else whence


@cache
def graph() -> dict[str, frozenset[str]]:
    """For each module the modules of the three packages that it imports."""
    known = modules().keys()
    return {
        name: frozenset(imported(_tree(path), known, _package(name, path))) & known - {name}
        for name, path in modules().items()
    }


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def _package(module: str, path: Path) -> str:
    return module if path.name == "__init__.py" else module.rpartition(".")[0]


def circles(edges: Mapping[str, AbstractSet[str]]) -> list[list[str]]:
    """Groups of modules that import each other, however long the way round."""
    reach = {name: _reached(name, edges) for name in edges}
    groups = {
        frozenset(other for other in reach[name] if name in reach.get(other, ()))
        for name in edges
        if name in reach[name]
    }
    return sorted(map(sorted, groups))


def _reached(start: str, edges: Mapping[str, AbstractSet[str]]) -> frozenset[str]:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        new = edges.get(waiting.pop(), frozenset()) - seen
        seen |= new
        waiting += new
    return frozenset(seen)

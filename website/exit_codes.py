"""The reference of exit codes: the constants of the command line, with their docstrings."""

from __future__ import annotations

import ast
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from website.markdown import code, page, table
from website.places import EXIT_CODES

if TYPE_CHECKING:
    from collections.abc import Iterator


def exit_codes_page() -> str:
    """The exit codes of every command."""
    return page(
        "Exit codes",
        "Every command ends with one of these codes. An error is one line on standard error,"
        " and a hint below it; with `-o json` it is an object with `code`, `message` and `hint`.",
        table(
            ("code", "name", "meaning"),
            [(code(str(n)), code(name), text) for name, n, text in _codes()],
        ),
    )


def _codes() -> Iterator[tuple[str, int, str]]:
    """Constants of integers that a docstring follows: name, value, docstring."""
    spec = find_spec(EXIT_CODES)
    assert spec is not None
    assert spec.origin is not None
    body = ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body
    for constant, text in pairwise(body):
        match constant, text:
            case (
                ast.AnnAssign(target=ast.Name(id=name), value=ast.Constant(value=int(value))),
                ast.Expr(value=ast.Constant(value=str(meaning))),
            ):
                yield name, value, meaning
            case _:
                pass

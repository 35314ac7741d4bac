"""Plants a bug in sources that are imported already: functions get the code of the broken text.

As a plugin of pytest it plants the bug that a variable names, in the process of a fork server that
has imported the sources. So a bug costs its guard's time, and no second import of all sources.
"""

from __future__ import annotations

import gc
import json
import os
from pathlib import Path
from types import CodeType, FunctionType
from typing import Final

PLANTED_BUG: Final = "TOWPATH_TESTS_PLANTED_BUG"
"""Names the file, and gives its correct and its broken text, as JSON."""
_FUNCTION: Final = 1
"""The flag CO_OPTIMIZED: code of a function, neither of a module nor of a class."""


def swaps(file: str, correct: str, broken: str) -> dict[tuple[str, int], CodeType] | None:
    """The codes of functions that a change of a file touches.

    Args:
        file: Path of the file.
        correct: Its text.
        broken: Its text with the bug.

    Returns:
        New codes by qualified name and first line of the old ones; None where the change is in a
        module's or a class's own code, which has run already.
    """
    found: dict[tuple[str, int], CodeType] = {}
    before, after = (compile(text, file, "exec", dont_inherit=True) for text in (correct, broken))
    return found if _compared(before, after, found) and found else None


def swap(file: str, correct: str, broken: str) -> int:
    """Gives the functions of a file the code of its broken text; returns how many got it."""
    codes = swaps(file, correct, broken)
    assert codes is not None
    gc.unfreeze()  # What the fork server has imported isn't listed otherwise.
    functions = [each for each in gc.get_objects() if isinstance(each, FunctionType)]
    swapped = 0
    for function in functions:
        code = function.__code__
        if code.co_filename == file:
            new = codes.get((code.co_qualname, code.co_firstlineno))
            if new is not None:
                function.__code__ = new
                swapped += 1
    gc.freeze()
    return swapped


def _compared(before: CodeType, after: CodeType, found: dict[tuple[str, int], CodeType]) -> bool:
    """Collects what differs; False where only an import of the whole module shows it."""
    inner, changed = _inner(before), _inner(after)
    if _own(before) == _own(after) and len(inner) == len(changed):
        count = len(found)
        kept = [_compared(old, new, found) for old, new in zip(inner, changed, strict=True)]
        if not all(kept):
            return False
        # The functions within a function are made anew by each call of it.
        if len(found) > count and before.co_flags & _FUNCTION:
            found[before.co_qualname, before.co_firstlineno] = after
        return True
    if not before.co_flags & _FUNCTION or before.co_freevars != after.co_freevars:
        return False
    found[before.co_qualname, before.co_firstlineno] = after
    return True


def _inner(code: CodeType) -> list[CodeType]:
    return [each for each in code.co_consts if isinstance(each, CodeType)]


def _own(code: CodeType) -> tuple[object, ...]:
    """What a code does, but for the codes in it, and for the lines where it stands."""
    constants = tuple(
        (type(each), each) for each in code.co_consts if not isinstance(each, CodeType)
    )
    variables = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    arguments = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
    return code.co_code, constants, *variables, *arguments, code.co_exceptiontable


def _plant() -> None:
    """Plants the bug of the environment."""
    asked = json.loads(os.environ.pop(PLANTED_BUG))
    if asked["file"]:
        text = Path(asked["file"]).read_text(encoding="utf-8")
        broken = text.replace(asked["correct"], asked["broken"])
        assert swap(asked["file"], text, broken), f"no function of {asked['file']} is loaded"


if PLANTED_BUG in os.environ:
    _plant()

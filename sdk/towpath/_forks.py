"""What a forked child makes anew of what it has inherited: all from here, in one hook.

In the child only the thread that forked goes on. A lock that another thread held stays held for
ever, threads that deliver or show are gone, and runs under way are the parent's: the parent reports
how they end.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_generation = 0
_in_child: Final[list[Callable[[], object]]] = []


def generation() -> int:
    """How many forks lie between this process and the one that loaded Towpath."""
    return _generation


def in_child(remake: Callable[[], object]) -> None:
    """Has a function called in each forked child, before any other code there.

    Args:
        remake: Makes anew, or gives up, what a module holds for the whole process.
    """
    _in_child.append(remake)


def _begin_anew() -> None:
    global _generation  # noqa: PLW0603 - a process has one
    _generation += 1
    for remake in _in_child:
        try:
            remake()
        except Exception:  # noqa: BLE001 - the others are to be called all the same
            traceback.print_exc(file=sys.stderr)


def _wait_for_imports() -> None:
    """Lets other threads finish what they load of Towpath, which loads much on first use.

    Python's lock of a module that another thread is loading stays held in the child.
    """
    for name, module in list(sys.modules.items()):
        spec = getattr(module, "__spec__", None) if name.startswith("towpath") else None
        if getattr(spec, "_initializing", False):
            with suppress(Exception):  # The thread that loads it hears of that.
                importlib.import_module(name)


# Hooks before a fork run in reverse: `logging` takes its lock in one, and a module that another
# thread is loading may need that lock. So its hook is there first, and runs after ours.
assert logging.root is not None
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_wait_for_imports, after_in_child=_begin_anew)

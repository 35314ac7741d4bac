"""Renews a forked child's inherited state: the functions of all modules, called by one hook.

In the child only the thread that forked goes on. A lock that another thread held is never released.
The threads of delivery and display are gone. Runs under way belong to the parent, which reports
their end.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
import threading
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_generation = 0
_in_child: Final[list[Callable[[], object]]] = []


def generation() -> int:
    """Returns the number of forks between the process that loaded Towpath and this one."""
    return _generation


def in_child(remake: Callable[[], object]) -> None:
    """Registers a function to call in each forked child, before any other code there.

    Args:
        remake: Renews, or gives up, a module's state of the process.
    """
    _in_child.append(remake)


def _begin_anew() -> None:
    global _generation  # noqa: PLW0603 - a process has one
    _generation += 1
    _give_up_imports()
    for remake in _in_child:
        try:
            remake()
        except Exception:  # noqa: BLE001 - the others are to be called all the same
            traceback.print_exc(file=sys.stderr)


def _wait_for_imports() -> None:
    """Waits until other threads have finished their imports of Towpath, which loads lazily.

    An import that begins after this and before the fork is given up in the child.
    """
    for name, module in list(sys.modules.items()):
        spec = getattr(module, "__spec__", None) if name.startswith("towpath") else None
        if getattr(spec, "_initializing", False):
            with suppress(Exception):  # The thread that imports it gets the error.
                importlib.import_module(name)


def _give_up_imports() -> None:
    """Lets the child import what a thread of its parent was importing at the fork.

    That thread is gone. Python's lock of the module would stay held, and the module half-loaded.
    """
    # There is no public way to these locks.
    locks: dict[str, Any] = getattr(sys.modules.get("_frozen_importlib"), "_module_locks", {})
    for name, found in list(locks.items()):
        owner = getattr(found(), "owner", None)
        if owner in {None, threading.get_ident()}:
            continue
        del locks[name]
        spec = getattr(sys.modules.get(name), "__spec__", None)
        if getattr(spec, "_initializing", False):
            del sys.modules[name]


# Hooks before a fork run in reverse: `logging` takes its lock in one, and a module that another
# thread is loading may need that lock. So its hook is there first, and runs after ours.
assert logging.root is not None
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_wait_for_imports, after_in_child=_begin_anew)

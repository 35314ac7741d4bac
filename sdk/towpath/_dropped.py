"""What becomes of an exception that Python drops.

Python raises the exceptions of signals and of other threads anywhere in its code. Those that it
raises in a finalizer, or in a callback of a weak reference, can't be caught: Python reports them to
`sys.unraisablehook` and goes on. A strike falls again by itself, and a Ctrl-C is sent again here.
"""

from __future__ import annotations

import _thread
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_AGAIN_SECONDS: Final = 0.002

_hooks: Final[list[Callable[[Any], Any]]] = []


class FallsAgain(BaseException):
    """An exception whose source raises it again after a drop, so a drop needs no report."""


def hear_dropped() -> None:
    """Has a dropped Ctrl-C come again, and suppresses the reports of what falls again anyway.

    A program that handles SIGINT itself is left alone.
    """
    if sys.unraisablehook in _hooks:
        return
    earlier = sys.unraisablehook

    def hear(dropped: Any) -> None:
        if issubclass(dropped.exc_type, FallsAgain):
            return
        if _is_ctrl_c(dropped.exc_type):
            # No `threading.Thread`: its module's locks may be held where this was called.
            _thread.start_new_thread(_press_again, ())
            return
        earlier(dropped)

    _hooks.append(hear)
    sys.unraisablehook = hear


def _is_ctrl_c(kind: type[BaseException]) -> bool:
    return (
        kind is KeyboardInterrupt
        and threading.get_ident() == threading.main_thread().ident
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )


def _press_again() -> None:
    # The thread that dropped it is to leave the callback first. If it hasn't, this is dropped too,
    # and comes again.
    time.sleep(_AGAIN_SECONDS)
    _thread.interrupt_main()

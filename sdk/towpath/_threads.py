"""What Python tells and does about threads."""

from __future__ import annotations

import ctypes
import logging
import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from threading import Thread
    from types import FrameType

_LOGGING: Final = logging.__file__
_DEEPEST: Final = 12


def logs(thread: int) -> bool:
    """Whether a thread is within `logging`, which may hold a lock that others need."""
    current: Any = getattr(sys, "_current_frames")()  # noqa: B009 - documented, despite its name
    frame: FrameType | None = current.get(thread)
    for _ in range(_DEEPEST):
        if frame is None:
            return False
        if frame.f_code.co_filename == _LOGGING:
            return True
        frame = frame.f_back
    return False


def raise_in(thread: int, error: type[BaseException]) -> None:
    """Raises in a thread's Python code, instead of an exception that is not raised yet."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(error))


def keep_for_good(held: object) -> None:
    """Keeps an object, unfinalized, for as long as the process lives."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(held))


def start(thread: Thread) -> bool:
    """Starts a thread; returns False where Python is ending, which starts none from 3.12 on."""
    try:
        thread.start()
    except RuntimeError as error:
        if not is_refusal(error):
            raise
        return False
    return True


def is_refusal(error: RuntimeError) -> bool:
    """Whether an error says that Python is ending, and starts no thread."""
    return "interpreter shutdown" in str(error)
